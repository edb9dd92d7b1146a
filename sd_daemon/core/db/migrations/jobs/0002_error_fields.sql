-- What the sentence of a failed job is made of, so that it is known again as the error that it was.

ALTER TABLE jobs ADD COLUMN error_fields TEXT NOT NULL DEFAULT '{}';  -- JSON: an object of texts
