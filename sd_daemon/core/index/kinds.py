"""What kind of content a file has, told from its name.

The table lists, for each content kind, MIME types with the extensions that mean them. An extension
stands for one kind only; where several programs use the same one, the more common use is listed.
"""

from __future__ import annotations

# The words the wire uses; an index into this tuple is what the database holds.
KINDS = (
    "unknown",
    "image",
    "video",
    "audio",
    "document",
    "archive",
    "code",
    "text",
    "database",
    "book",
    "font",
    "mesh",
    "config",
    "encrypted",
    "key",
    "executable",
    "binary",
    "spreadsheet",
    "presentation",
    "email",
    "calendar",
    "contact",
    "web",
    "shortcut",
    "package",
    "model_entry",
    "memory",
)

_TABLE = {
    "image": """
        image/jpeg jpg jpeg jpe jfif; image/png png; image/gif gif; image/webp webp;
        image/avif avif avifs; image/heic heic heics; image/heif heif heifs hif; image/tiff
        tif tiff; image/bmp bmp dib; image/svg+xml svg svgz; image/vnd.microsoft.icon ico
        cur; image/icns icns; image/jxl jxl; image/jp2 jp2 j2k jpf jpx jpm; image/apng apng;
        image/x-tga tga; image/vnd.adobe.photoshop psd psb; image/x-xcf xcf; image/x-exr
        exr; image/vnd.radiance hdr; image/x-portable-pixmap ppm; image/x-portable-graymap
        pgm; image/x-portable-bitmap pbm; image/x-portable-anymap pnm; image/x-xpixmap xpm;
        image/x-xbitmap xbm; image/x-canon-cr2 cr2; image/x-canon-cr3 cr3; image/x-canon-crw
        crw; image/x-nikon-nef nef nrw; image/x-sony-arw arw srf sr2; image/x-adobe-dng dng;
        image/x-fuji-raf raf; image/x-olympus-orf orf; image/x-panasonic-rw2 rw2;
        image/x-pentax-pef pef; image/x-samsung-srw srw; image/x-sigma-x3f x3f;
        image/x-kodak-dcr dcr kdc; image/x-minolta-mrw mrw; image/x-hasselblad-3fr 3fr;
        image/x-phaseone-iiq iiq; image/x-raw rwl erf mef mos; image/wmf wmf; image/emf emf;
        image/x-dds dds; image/ktx ktx ktx2; image/qoi qoi; image/vnd.djvu djvu djv;
        image/x-krita kra; image/x-affinity-photo afphoto; image/x-sketch sketch;
        image/x-figma fig; application/postscript eps; application/illustrator ai
    """,
    "video": """
        video/mp4 mp4 m4v mp4v; video/quicktime mov qt; video/x-matroska mkv mk3d;
        video/webm webm; video/x-msvideo avi; video/x-ms-wmv wmv; video/x-ms-asf asf;
        video/mpeg mpg mpeg mpe m1v m2v mpv; video/mp2t m2ts mts; video/x-flv flv f4v;
        video/3gpp 3gp; video/3gpp2 3g2; video/ogg ogv ogm; application/mxf mxf; video/x-vob
        vob; video/divx divx; video/vnd.rn-realvideo rv rm rmvb; video/x-dv dv; video/x-yuv
        yuv y4m; video/x-braw braw; video/x-r3d r3d; video/x-wtv wtv dvr-ms; video/x-amv
        amv; video/vnd.dlna.mpeg-tts tp trp; video/h264 h264 264; video/h265 h265 hevc;
        video/av1 ivf obu
    """,
    "audio": """
        audio/mpeg mp3 mp2 mpga; audio/flac flac; audio/mp4 m4a m4b m4p m4r; audio/aac aac;
        audio/x-wav wav wave bwf; audio/ogg ogg oga spx; audio/opus opus; audio/x-aiff aif
        aiff aifc; audio/x-ms-wma wma; audio/midi mid midi kar; audio/x-ape ape;
        audio/x-wavpack wv; audio/x-musepack mpc; audio/x-tta tta; audio/ac3 ac3; audio/eac3
        eac3; audio/vnd.dts dts; audio/amr amr awb; audio/basic au snd; audio/x-caf caf;
        audio/x-dsf dsf; audio/x-dff dff; audio/vnd.rn-realaudio ra ram; audio/x-mod mod;
        audio/x-s3m s3m; audio/x-xm xm; audio/x-it it; audio/x-matroska mka; audio/x-gsm
        gsm; audio/x-m3u m3u m3u8; audio/x-scpls pls; audio/x-voc voc; audio/x-soundfont sf2
        sf3; audio/x-ableton als; audio/x-logic logicx; audio/x-flstudio flp
    """,
    "document": """
        application/pdf pdf; application/msword doc dot; application/rtf rtf;
        application/vnd.openxmlformats-officedocument.wordprocessingml.document docx;
        application/vnd.ms-word.document.macroenabled.12 docm;
        application/vnd.openxmlformats-officedocument.wordprocessingml.template dotx dotm;
        application/vnd.oasis.opendocument.text odt ott fodt; application/vnd.apple.pages
        pages; application/x-tex-dvi dvi; application/postscript ps; application/oxps oxps
        xps; application/vnd.wordperfect wpd; application/vnd.ms-works wps;
        application/x-abiword abw; application/vnd.oasis.opendocument.graphics odg;
        application/vnd.visio vsd vsdx; application/onenote one onetoc2;
        application/x-indesign indd; application/x-publisher pub; application/x-scribus sla;
        application/vnd.lotus-wordpro lwp; application/x-hwp hwp hwpx; application/x-drawio
        drawio; application/x-xmind xmind; application/x-freemind mm
    """,
    "archive": """
        application/zip zip zipx; application/x-tar tar; application/gzip gz tgz taz;
        application/x-bzip2 bz2 tbz tbz2; application/x-xz xz txz; application/zstd zst
        tzst; application/x-7z-compressed 7z; application/vnd.rar rar; application/x-lzip
        lz; application/x-lzma lzma tlz; application/x-lz4 lz4; application/x-lzop lzo;
        application/x-compress z; application/x-brotli br; application/x-cpio cpio;
        application/x-archive ar; application/x-arj arj; application/x-lzh lzh lha;
        application/x-ace ace; application/vnd.ms-cab-compressed cab; application/x-stuffit
        sit sitx; application/x-iso9660-image iso; application/x-apple-diskimage dmg;
        application/x-raw-disk-image img; application/x-virtualbox-vdi vdi;
        application/x-vmdk vmdk; application/x-qcow qcow qcow2; application/x-vhd vhdx;
        application/x-squashfs squashfs sfs; application/x-wim wim; application/x-xar xar;
        application/x-zpaq zpaq; application/x-nrg nrg; application/x-cue cue;
        application/warc warc; application/x-alz alz; application/x-par2 par2
    """,
    "code": """
        text/x-python py pyw pyi pyx pxd; text/rust rs; text/x-c c; text/x-chdr h;
        text/x-c++ cpp cc cxx c++ inl ipp; text/x-c++hdr hpp hh hxx; text/javascript js mjs
        cjs jsx; text/typescript ts tsx cts; text/x-java java; text/x-kotlin kt kts;
        text/x-scala scala sc; text/x-go go; text/x-swift swift; text/x-objcsrc m;
        text/x-csharp cs csx; text/x-vb vb vbs bas; text/x-fsharp fs fsx fsi; text/x-php php
        phtml php5; text/x-ruby rb rake gemspec erb; text/x-perl pl pm t; text/x-lua lua;
        text/x-r r rmd; text/x-julia jl; text/x-haskell hs lhs; text/x-elixir ex exs;
        text/x-erlang erl hrl; text/x-clojure clj cljs cljc edn; text/x-common-lisp lisp lsp
        cl; text/x-scheme scm ss rkt; text/x-emacs-lisp el; text/x-ocaml ml mli; text/x-dart
        dart; text/x-zig zig; text/x-nim nim nims; text/x-crystal cr; text/x-d d;
        text/x-pascal pas pp dpr; text/x-fortran f f77 f90 f95 f03 for; text/x-ada adb ads;
        text/x-cobol cob cbl; text/x-asm asm s; text/x-verilog v sv svh; text/x-vhdl vhd
        vhdl; text/x-sql sql ddl; text/x-sh sh bash zsh fish ksh csh; text/x-powershell ps1
        psm1 psd1; text/x-bat bat cmd; text/x-tcl tcl; text/x-awk awk; text/x-sed sed;
        text/x-cuda cu cuh; text/x-opencl-src ocl; text/x-glsl glsl vert frag geom comp;
        text/x-hlsl hlsl fx; text/x-wgsl wgsl; text/x-cmake cmake; text/x-makefile mk mak;
        text/x-groovy groovy gradle gvy; text/x-protobuf proto; text/x-thrift thrift;
        text/x-graphql graphql gql; text/x-solidity sol; text/x-vue vue; text/x-svelte
        svelte; text/x-astro astro; text/x-coffeescript coffee; text/x-sass sass scss;
        text/x-less less; text/x-stylus styl; text/css css; text/x-gdscript gd; text/x-nix
        nix; text/x-terraform tf hcl; text/x-bazel bzl; text/x-starlark star;
        application/x-ipynb+json ipynb; text/x-matlab mat mlx; text/x-prolog pro; text/x-sml
        sml; text/x-elm elm; text/x-purescript purs; text/x-reason re rei; text/x-haxe hx;
        text/x-vala vala vapi; text/x-actionscript as; text/x-applescript applescript scpt;
        text/x-autohotkey ahk; text/x-qml qml; text/x-wat wat; text/x-diff diff patch;
        text/x-po po pot; text/x-jinja j2 jinja jinja2; text/x-handlebars hbs mustache;
        text/x-pug pug jade; text/x-ejs ejs
    """,
    "text": """
        text/plain txt text asc; text/markdown md markdown mdown mdx; text/x-log log;
        text/x-rst rst; text/asciidoc adoc asciidoc; text/x-org org; text/x-tex tex ltx sty
        cls; text/x-bibtex bib; text/x-nfo nfo; text/x-diz diz; text/troff man me ms roff;
        text/x-readme readme; text/vtt vtt; application/x-subrip srt; text/x-ssa ass ssa;
        text/x-sub sub; text/x-lrc lrc; text/x-textile textile; text/x-wiki wiki;
        text/x-changelog changelog; text/x-fountain fountain; text/x-typst typ
    """,
    "database": """
        application/vnd.sqlite3 sqlite sqlite3 db db3 s3db sl3; application/x-msaccess mdb
        accdb; application/x-dbf dbf; application/x-duckdb duckdb; application/x-realm
        realm; application/x-parquet parquet; application/x-hdf5 h5 hdf5 hdf;
        application/x-netcdf nc cdf; application/x-arrow arrow feather; application/avro
        avro; application/x-orc orc; application/x-leveldb ldb; application/x-frm frm ibd
        myd myi; application/x-fdb fdb gdb; application/vnd.oasis.opendocument.database odb;
        application/x-kdb kdb; application/geopackage+sqlite3 gpkg; application/x-shapefile
        shp shx; application/x-mbtiles mbtiles; application/geo+json geojson;
        application/gpx+xml gpx; application/vnd.google-earth.kml+xml kml kmz
    """,
    "book": """
        application/epub+zip epub; application/x-mobipocket-ebook mobi prc;
        application/x-azw azw azw3 kfx; application/x-fictionbook fb2;
        application/vnd.comicbook+zip cbz; application/vnd.comicbook-rar cbr;
        application/x-cb7 cb7; application/x-cbt cbt; application/x-lit lit;
        application/x-lrf lrf; application/x-ibooks ibooks; application/x-pdb pdb;
        application/x-chm chm
    """,
    "font": """
        font/ttf ttf ttc; font/otf otf otc; font/woff woff; font/woff2 woff2;
        application/vnd.ms-fontobject eot; application/x-font-type1 pfb pfa afm pfm;
        application/x-font-bdf bdf; application/x-font-pcf pcf; application/x-font-dfont
        dfont; application/x-font-fon fon fnt; application/x-glyphs glyphs ufo
    """,
    "mesh": """
        model/obj obj; model/stl stl; model/gltf+json gltf; model/gltf-binary glb;
        model/vnd.collada+xml dae; model/x-fbx fbx; model/3mf 3mf; model/x-ply ply;
        model/x-blender blend blend1; model/x-3ds 3ds; model/x-max max; model/x-maya ma mb;
        model/x-cinema4d c4d; model/vnd.usdz+zip usdz; model/x-usd usd usda usdc; model/step
        step stp; model/iges iges igs; model/vrml wrl vrml; model/x3d x3d; model/x-lwo lwo
        lws; model/x-abc abc; model/x-dxf dxf; model/x-dwg dwg; model/x-skp skp;
        model/x-rhino 3dm; model/x-openscad scad; model/x-freecad fcstd; model/x-gcode gcode
        nc1; model/x-zbrush ztl zpr; model/x-off off; model/x-voxel vox; model/x-solidworks
        sldprt sldasm; model/x-houdini hip hipnc; model/x-vdb vdb; model/x-amf amf
    """,
    "config": """
        application/json json json5 jsonc jsonl ndjson; application/yaml yaml yml;
        application/toml toml; application/xml xml xsd xsl xslt dtd; text/x-ini ini cfg conf
        cnf; text/x-properties properties; text/x-env env; application/x-plist plist;
        text/x-editorconfig editorconfig; text/x-registry reg; text/x-systemd service socket
        timer mount target; application/x-desktop desktop; text/x-lock lock;
        text/x-gitignore gitignore gitattributes gitmodules dockerignore npmignore;
        text/x-rc rc npmrc eslintrc prettierrc babelrc; text/x-ron ron; text/x-cue-lang kdl;
        application/x-theme theme; text/x-icc icc icm; application/x-code-workspace
        code-workspace; text/x-dockerfile dockerfile; application/x-sln sln csproj vcxproj
        fsproj vbproj; application/x-xcode pbxproj xcconfig entitlements; text/x-qt pri qrc
        ui; application/x-cube-lut cube 3dl; application/x-xmp xmp
    """,
    "encrypted": """
        application/pgp-encrypted gpg pgp; application/x-age age; application/x-veracrypt hc
        tc; application/x-axcrypt axx; application/x-aescrypt aes; application/x-luks luks;
        application/x-encfs encfs; application/x-cryptomator c9r cryptomator;
        application/x-enc enc; application/x-bitlocker bek; application/pkcs7-mime p7m
    """,
    "key": """
        application/x-pem-file pem; application/x-x509-ca-cert crt cer der ca-bundle;
        application/x-key key; application/x-pkcs12 p12 pfx; application/pkcs10 csr;
        application/pkcs8 p8 pk8; application/x-pkcs7-certificates p7b p7c;
        application/pgp-signature sig; application/pgp-keys keyring gpgkey;
        application/x-putty ppk; application/x-java-keystore jks keystore;
        application/x-kdbx kdbx; application/x-agilekeychain agilekeychain opvault;
        application/x-ssh-key ssh; application/x-ovpn ovpn
    """,
    "executable": """
        application/vnd.microsoft.portable-executable exe com scr;
        application/x-ms-installer msi msp; application/x-elf elf run;
        application/vnd.appimage appimage; application/java-archive jar war ear;
        application/x-app app; application/x-executable out; application/x-gadget gadget;
        application/x-pkg-installer pkg mpkg; application/x-msix msix appx msixbundle;
        application/x-command command; application/x-shellscript-archive shar;
        application/x-workflow workflow; application/wasm wasm
    """,
    "binary": """
        application/octet-stream bin dat dump; application/x-sharedlib so dylib;
        application/x-dll dll ocx sys drv; application/x-object o lo ko;
        application/x-static-library a lib la; application/x-java-class class;
        application/x-python-bytecode pyc pyo pyd; application/x-rlib rlib rmeta;
        application/x-rom rom nes sfc gba gbc nds; application/x-firmware fw hex uf2 dfu;
        application/x-pcap pcap pcapng cap; application/x-core core;
        application/x-debug-symbols dsym dwo dwp; application/x-pickle pkl pickle;
        application/x-numpy npy npz; application/x-onnx onnx; application/x-pytorch pt pth
        ckpt; application/x-safetensors safetensors; application/x-gguf gguf ggml;
        application/x-tflite tflite; application/x-torrent torrent; application/x-swf swf;
        application/x-unity asset unitypackage; application/x-unreal uasset umap pak;
        application/x-cache cache; application/x-temporary tmp temp part crdownload swp swo;
        application/x-backup bak old orig
    """,
    "spreadsheet": """
        application/vnd.ms-excel xls xlt xlm; text/csv csv; text/tab-separated-values tsv
        tab; application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx;
        application/vnd.ms-excel.sheet.macroenabled.12 xlsm xltm;
        application/vnd.openxmlformats-officedocument.spreadsheetml.template xltx;
        application/vnd.ms-excel.sheet.binary.macroenabled.12 xlsb;
        application/vnd.oasis.opendocument.spreadsheet ods ots fods;
        application/vnd.apple.numbers numbers; application/x-gnumeric gnumeric;
        application/vnd.lotus-1-2-3 wk1 wks 123; application/x-quattro-pro qpw wb1
    """,
    "presentation": """
        application/vnd.ms-powerpoint ppt pps pot1;
        application/vnd.openxmlformats-officedocument.presentationml.presentation pptx;
        application/vnd.ms-powerpoint.presentation.macroenabled.12 pptm potm ppsm;
        application/vnd.openxmlformats-officedocument.presentationml.slideshow ppsx potx;
        application/vnd.oasis.opendocument.presentation odp otp fodp;
        application/vnd.apple.keynote keynote
    """,
    "email": """
        message/rfc822 eml emlx; application/mbox mbox mbx; application/vnd.ms-outlook msg
        oft; application/x-pst pst ost; application/x-dbx dbx; message/x-tnef tnef
    """,
    "calendar": """
        text/calendar ics ical icalendar ifb; text/x-vcalendar vcs
    """,
    "contact": """
        text/vcard vcf vcard; text/ldif ldif; application/x-abbu abbu abcdp
    """,
    "web": """
        text/html html htm shtml; application/xhtml+xml xhtml xht; multipart/related mht
        mhtml; application/x-webarchive webarchive; text/php-html php3; text/asp asp aspx;
        text/jsp jsp jspx; application/rss+xml rss; application/atom+xml atom; text/opml
        opml; application/manifest+json webmanifest; application/har+json har;
        application/source-map map
    """,
    "shortcut": """
        application/x-ms-shortcut lnk; application/x-mswinurl url website;
        application/x-webloc webloc; application/x-alias alias; application/x-pif pif;
        application/x-symlink symlink
    """,
    "package": """
        application/vnd.debian.binary-package deb udeb ddeb; application/x-rpm rpm srpm;
        application/vnd.android.package-archive apk aab xapk apks; application/x-ios-app
        ipa; application/vnd.snap snap; application/vnd.flatpak flatpak flatpakref;
        application/x-wheel whl egg; application/x-ruby-gem gem; application/x-nuget nupkg
        snupkg; application/x-crate crate; application/x-chrome-extension crx;
        application/x-xpinstall xpi; application/vsix vsix; application/x-conda conda;
        application/x-ebuild ebuild; application/x-arch-package pkgbuild;
        application/x-bundle bundle; application/x-framework framework xcframework;
        application/x-pup pup
    """,
}

# Files that are known by their whole name.
_NAMES = {
    "config": """
        makefile gnumakefile cmakelists.txt dockerfile containerfile vagrantfile procfile
        jenkinsfile .bashrc .profile .zshrc .vimrc .gitconfig .inputrc .tmux.conf fstab
        crontab
    """,
    "code": """
        rakefile gemfile podfile sconstruct build.bazel workspace justfile pkgbuild
    """,
    "text": """
        readme license licence copying authors changelog news todo install notice
    """,
    "key": """
        id_rsa id_dsa id_ecdsa id_ed25519 authorized_keys known_hosts
    """,
}


def _by_extension() -> dict[str, tuple[int, str]]:
    table: dict[str, tuple[int, str]] = {}
    for kind, lines in _TABLE.items():
        for line in lines.split(";"):
            mime, *extensions = line.split()
            for extension in extensions:
                table.setdefault(extension, (KINDS.index(kind), mime))
    return table


def _by_name() -> dict[str, tuple[int, str]]:
    return {
        name: (KINDS.index(kind), "text/plain")
        for kind, names in _NAMES.items()
        for name in names.split()
    }


EXTENSIONS = _by_extension()
_WHOLE_NAMES = _by_name()
_UNKNOWN: tuple[int, str | None] = (0, None)
_IMAGE = KINDS.index("image")


def identify_kind(name: str | bytes) -> tuple[int, str | None]:
    """Return content kind number and MIME type of a file called `name`; (0, None) if unknown."""
    text = name if isinstance(name, str) else name.decode("utf-8", "replace")
    stem, dot, extension = text.rpartition(".")
    if dot and stem:
        found = EXTENSIONS.get(extension) or EXTENSIONS.get(extension.lower())
        if found is not None:
            return found
    return _WHOLE_NAMES.get(text.lower(), _UNKNOWN)


def is_image(name: str) -> bool:
    """Say whether a file called `name` is an image."""
    return identify_kind(name)[0] == _IMAGE
