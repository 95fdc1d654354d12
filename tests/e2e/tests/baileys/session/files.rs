//! The kinds that are files.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard_e2e::picture;

use super::rows::{Row, Seen, Theirs};

/// How a kind of file looks on each side.
#[derive(Default)]
struct File {
    name: &'static str,
    path: &'static str,
    mime_type: &'static str,
    bytes: Vec<u8>,
    /// What our call says besides.
    ours: Value,
    /// Where the file is in Baileys' message, and what it says there besides.
    field: &'static str,
    shown: Value,
    /// Where the file is in Baileys' content, and what it says there besides.
    theirs: &'static str,
    content: Value,
    /// The type of our message, and what it says besides.
    kind: &'static str,
    we_show: Value,
}

impl File {
    fn row(self) -> Row {
        let data = STANDARD.encode(&self.bytes);
        let mut call = self.ours;
        call["media"] = format!("data:{};base64,{data}", self.mime_type).into();
        let mut content = self.content;
        content[self.theirs] = json!({"$bytes": data});
        content["mimetype"] = self.mime_type.into();
        let mut we_show = self.we_show;
        we_show["mime_type"] = self.mime_type.into();
        we_show["file_size"] = self.bytes.len().into();
        Row {
            name: self.name,
            we_send: Some((Method::POST, self.path, call)),
            baileys_shows: Seen::Message(nested(self.field, self.shown)),
            baileys_sends: Theirs::content(content),
            we_show: json!({"type": self.kind, self.kind: we_show}),
            file: Some(self.bytes),
        }
    }

    /// The same to be opened once; `wrapper` is what Baileys shows around it.
    fn once(mut self, name: &'static str, field: &'static str) -> Self {
        self.name = name;
        self.ours["view_once"] = true.into();
        self.field = field;
        self.shown["viewOnce"] = true.into();
        self.content["viewOnce"] = true.into();
        self.we_show["view_once"] = true.into();
        self
    }
}

/// `inner` below the names of a dotted path.
fn nested(path: &str, inner: Value) -> Value {
    path.rsplit('.')
        .fold(inner, |inner, name| json!({ name: inner }))
}

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut files = vec![
        image("image", 5)?,
        image("image", 6)?.once(
            "image to look at once",
            "viewOnceMessageV2.message.imageMessage",
        ),
        video("video"),
        video("video").once(
            "video to look at once",
            "viewOnceMessageV2.message.videoMessage",
        ),
    ];
    files.extend([gif(), short(), audio(), voice("voice")]);
    files.push(voice("voice").once(
        "voice to listen to once",
        "viewOnceMessageV2Extension.message.audioMessage",
    ));
    files.extend([document(), sticker()?]);
    Ok(files.into_iter().map(File::row).collect())
}

fn image(name: &'static str, shade: u8) -> Result<File> {
    Ok(File {
        name,
        path: "/messages/image",
        mime_type: "image/png",
        bytes: picture(shade)?,
        ours: json!({"caption": format!("ours, {shade}")}),
        field: "imageMessage",
        shown: json!({"caption": format!("ours, {shade}"), "mimetype": "image/png"}),
        theirs: "image",
        content: json!({"caption": format!("theirs, {shade}")}),
        kind: "image",
        we_show: json!({"caption": format!("theirs, {shade}")}),
    })
}

fn film() -> Vec<u8> {
    include_bytes!("../../../../../node/src/media/fixtures/film.mp4").to_vec()
}

fn video(name: &'static str) -> File {
    File {
        name,
        path: "/messages/video",
        mime_type: "video/mp4",
        bytes: film(),
        ours: json!({"caption": "a film of ours"}),
        field: "videoMessage",
        shown: json!({"caption": "a film of ours", "mimetype": "video/mp4"}),
        theirs: "video",
        content: json!({"caption": "a film of theirs"}),
        kind: "video",
        we_show: json!({"caption": "a film of theirs"}),
    }
}

fn gif() -> File {
    File {
        name: "gif",
        path: "/messages/gif",
        mime_type: "video/mp4",
        bytes: film(),
        ours: json!({"caption": "round and round"}),
        field: "videoMessage",
        shown: json!({"gifPlayback": true, "caption": "round and round"}),
        theirs: "video",
        content: json!({"gifPlayback": true, "caption": "and round"}),
        kind: "gif",
        we_show: json!({"caption": "and round"}),
    }
}

fn short() -> File {
    File {
        name: "short video",
        path: "/messages/short",
        mime_type: "video/mp4",
        bytes: film(),
        ours: json!({}),
        field: "ptvMessage",
        shown: json!({"mimetype": "video/mp4"}),
        theirs: "video",
        content: json!({"ptv": true}),
        kind: "short",
        we_show: json!({}),
    }
}

fn audio() -> File {
    File {
        name: "audio",
        path: "/messages/audio",
        mime_type: "audio/mpeg",
        bytes: include_bytes!("../../../../../node/src/media/fixtures/two-seconds.mp3").to_vec(),
        ours: json!({}),
        field: "audioMessage",
        shown: json!({"mimetype": "audio/mpeg"}),
        theirs: "audio",
        content: json!({"seconds": 3}),
        kind: "audio",
        we_show: json!({"seconds": 3}),
    }
}

fn voice(name: &'static str) -> File {
    File {
        name,
        path: "/messages/voice",
        mime_type: "audio/ogg; codecs=opus",
        bytes: include_bytes!("../../../../../node/src/media/fixtures/rising.ogg").to_vec(),
        ours: json!({}),
        field: "audioMessage",
        shown: json!({"ptt": true, "mimetype": "audio/ogg; codecs=opus"}),
        theirs: "audio",
        content: json!({"ptt": true, "seconds": 2}),
        kind: "voice",
        we_show: json!({"seconds": 2}),
    }
}

fn document() -> File {
    File {
        name: "document",
        path: "/messages/document",
        mime_type: "application/pdf",
        bytes: b"%PDF-1.4 not really a paper".to_vec(),
        ours: json!({"filename": "paper.pdf", "caption": "to sign"}),
        field: "documentWithCaptionMessage.message.documentMessage",
        shown: json!({"fileName": "paper.pdf", "mimetype": "application/pdf", "caption": "to sign"}),
        theirs: "document",
        content: json!({"fileName": "theirs.pdf", "caption": "signed"}),
        kind: "document",
        we_show: json!({"file_name": "theirs.pdf", "caption": "signed"}),
    }
}

fn sticker() -> Result<File> {
    let png = image::load_from_memory(&picture(7)?)?;
    let mut webp = std::io::Cursor::new(Vec::new());
    png.write_to(&mut webp, image::ImageFormat::WebP)?;
    Ok(File {
        name: "sticker",
        path: "/messages/sticker",
        mime_type: "image/webp",
        bytes: webp.into_inner(),
        ours: json!({}),
        field: "stickerMessage",
        shown: json!({"mimetype": "image/webp"}),
        theirs: "sticker",
        content: json!({}),
        kind: "sticker",
        we_show: json!({}),
    })
}
