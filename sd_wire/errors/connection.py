"""Why a daemon cannot be reached, and what it answers to requests that it cannot take."""

from __future__ import annotations

from sd_wire.errors.error import ExitStatus, SdError


class DaemonNotRunning(SdError):
    """There is no socket where the daemon's should be."""

    kind = "ConnectionFailed"
    message = "no daemon is running: there is no socket at {socket}"
    hint = "start it with 'sd start'"
    exit_status = ExitStatus.NOT_RUNNING
    retryable = True


class SocketPermissionDenied(SdError):
    """The socket is there, and this user may not use it."""

    kind = "ConnectionFailed"
    message = "permission denied on the daemon's socket {socket}"
    hint = "run as its owner, or ask to be put into its group ('ls -l {socket}' shows both)"
    exit_status = ExitStatus.DENIED


class SocketOfAnother(SdError):
    """The socket that was found is another user's: what it answers may be anything."""

    kind = "ConnectionFailed"
    message = "the socket {socket} belongs to user {owner}, and is not asked"
    hint = "name it, if you mean it: --socket {socket}"
    exit_status = ExitStatus.DENIED


class ConnectionRefused(SdError):
    """The socket is there, and nobody listens behind it."""

    kind = "ConnectionFailed"
    message = "the daemon behind {socket} does not accept connections"
    hint = "it has probably crashed: 'sd start' starts it again, 'sd logs' shows why it ended"
    exit_status = ExitStatus.NOT_RUNNING
    retryable = True


class NotASocket(SdError):
    """Something else has the name that the daemon's socket should have."""

    kind = "ConnectionFailed"
    message = "{socket} is something else than a socket: whether a daemon runs cannot be told"
    hint = "move it away; 'sd start' makes a new socket"
    exit_status = ExitStatus.NOT_RUNNING


class ConnectionLost(SdError):
    """The connection ended before the answer came."""

    kind = "ReadError"
    message = "the connection to the daemon ended before the answer came"
    hint = "whether the request was carried out is not known: see 'sd status' and 'sd logs'"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class SocketPathTooLong(SdError):
    """A Unix socket path has to fit into the kernel's address structure."""

    kind = "ConnectionFailed"
    message = "the socket path {socket} is {length} bytes long, the system allows {limit}"
    hint = "use a shorter --data-dir, or name another path with --socket"
    exit_status = ExitStatus.USAGE


class InvalidInstanceName(SdError):
    """An instance name is 1 to 64 bytes of letters, digits, - and _."""

    kind = "ValidationError"
    message = "{name!r} cannot be the name of an instance"
    hint = "use 1 to 64 letters, digits, '-' and '_'"
    exit_status = ExitStatus.USAGE


class MalformedRequest(SdError):
    """A message that cannot be read at all."""

    kind = "SerializationError"
    message = "the request is not valid {encoding}: {reason}"
    hint = "send one JSON value per line; after a Hello for messagepack, one value per frame"


class UnknownRequest(SdError):
    """JSON, but not a request."""

    kind = "InvalidRequest"
    message = "this is not a request: {reason}"
    hint = "docs/protocol.md lists the requests"


class RequestTooLarge(SdError):
    """A request line is longer than the limit. The connection lives on."""

    kind = "RequestTooLarge"
    message = "the request is longer than {limit} bytes"
    hint = "send it in smaller pieces"
    exit_status = ExitStatus.UNAVAILABLE


class NoRoomForRequest(SdError):
    """Requests that have not arrived whole take all the memory that there is for them. This one is
    skipped to its end; the connection lives on."""

    kind = "RequestTooLarge"
    message = "requests that have not arrived whole already take most of {limit} bytes"
    hint = "send it again in a moment, or in smaller pieces"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class RequestTooDeep(SdError):
    """Arrays and objects inside each other beyond any use."""

    kind = "SerializationError"
    message = "the request has more than {limit} arrays and objects inside each other"
    exit_status = ExitStatus.USAGE


class TooManyValues(SdError):
    """Arrays and objects with so many members that to read them would keep others waiting."""

    kind = "SerializationError"
    message = "the request has more than {limit} values"
    hint = "send it in smaller pieces"
    exit_status = ExitStatus.UNAVAILABLE


class EncodingSettled(SdError):
    """Hello asks for another encoding after the conversation has begun."""

    kind = "InvalidRequest"
    message = "this connection speaks {encoding}, and that cannot be changed any more"
    hint = "send the Hello that asks for an encoding before anything else"
    exit_status = ExitStatus.USAGE


class RequestCancelled(SdError):
    """A request was given up because its client said so."""

    message = "the request was cancelled"
    exit_status = ExitStatus.INTERRUPTED


class DeadlineExceeded(SdError):
    """A request was not answered within the time that it gave."""

    message = "there was no answer within {milliseconds} ms"
    hint = "a query was given up; an action that has begun is carried on: see its events"
    exit_status = ExitStatus.UNAVAILABLE  # and not retryable: an action would be done twice


class ReplyTooLarge(SdError):
    """The answer would be longer than a line may be."""

    kind = "WriteError"
    message = "the answer is longer than {limit} bytes"
    hint = "ask for less at once: give a limit, and go on with the cursor"
    exit_status = ExitStatus.UNAVAILABLE


class TooManyRequests(SdError):
    """One connection has as many unanswered requests as it may have."""

    kind = "InvalidRequest"
    message = "this connection already waits for {limit} answers"
    hint = "read answers before sending more"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class TooManySubscriptions(SdError):
    """One connection watches as much as it may."""

    kind = "InvalidRequest"
    message = "this connection already has {limit} subscriptions"
    hint = "end some, or ask for several event types in one"
    exit_status = ExitStatus.UNAVAILABLE


class TooManyConnections(SdError):
    """The daemon serves as many clients as it may."""

    kind = "CoreUnavailable"
    message = "the daemon already serves {limit} connections"
    hint = "close some, or raise the limit of open files of the daemon"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class TooManyConnectionsOfUser(SdError):
    """One user has as many connections as one may have. Not told to root and the daemon's own."""

    kind = "CoreUnavailable"
    message = "user {uid} already has {limit} connections to the daemon"
    hint = "close some, or have limits.connections_per_user raised in spacedrive.json"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class DescriptorsExhausted(SdError):
    """The daemon has hardly any file descriptors left, and keeps those for its work."""

    kind = "CoreUnavailable"
    message = "the daemon has no file descriptor left for another connection"
    hint = "close some connections, or raise the limit of open files of the daemon"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class IdleConnectionClosed(SdError):
    """A connection that nobody used was closed. It comes unasked, and is the last line."""

    kind = "CoreUnavailable"
    message = "the daemon closed this connection: it was idle for {seconds} s"
    hint = "connect again"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class MethodNotFound(SdError):
    """No operation of that name."""

    kind = "HandlerNotFound"
    message = "Unknown method: {method}"
    hint = "a method begins with query: or action:; 'sd describe' lists them all"
    exit_status = ExitStatus.NOT_FOUND


class InvalidPayload(SdError):
    """The payload does not have the shape that the operation declares."""

    kind = "DeserializationError"
    message = "{method}: {reason}"
    hint = "'sd describe {method}' shows the shape"
    exit_status = ExitStatus.USAGE


class InvalidValue(SdError):
    """A value has the right shape and cannot be used."""

    kind = "ValidationError"
    message = "{field}: {reason}"
    exit_status = ExitStatus.USAGE


class PermissionRefused(SdError):
    """The daemon does not let this peer do that."""

    kind = "SecurityError"
    message = "user {uid} may not call {method}: it needs the permission to {permission}"
    hint = "ask the administrator of this daemon"
    exit_status = ExitStatus.DENIED


class InternalFailure(SdError):
    """A defect of the daemon. Its log has the whole story under the reference."""

    kind = "InternalError"
    message = "the daemon failed in {method} (reference {reference})"
    hint = "'sd logs' has the details under that reference; please report it"


class ShuttingDown(SdError):
    """The daemon is on its way out."""

    kind = "CoreUnavailable"
    message = "the daemon is shutting down"
    hint = "try again in a moment"
    exit_status = ExitStatus.UNAVAILABLE
    retryable = True


class AlreadyRunning(SdError):
    """A second daemon on the same instance."""

    kind = "ConnectionFailed"
    message = "another daemon already listens on {socket}"
    hint = "'sd status' talks to it; use --instance for a second one"
    exit_status = ExitStatus.CONFLICT
