//! A phone sends: from the draft to the stanza, with the file on the media host.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand_chacha::ChaCha20Rng;
use waproto::whatsapp as wa;

use super::{Error, STORIES, Sent, chain};
use crate::core::phone_sending::{Plan, SendError};
use crate::draft::{Outgoing, OutgoingFile};
use crate::phone::{self, ComposeError, FileForm, MediaDetails, MediaKind, StoredAt};
use crate::shell::hub::Hub;

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let text = chain(&error);
        match error {
            SendError::Sender(_)
            | SendError::Receiver(_)
            | SendError::Compose(ComposeError::Unknown(_)) => Self::NotFound(text),
            SendError::Audience | SendError::Compose(ComposeError::Invalid(_)) => Self::Bad(text),
            SendError::Member(_)
            | SendError::Phone(_)
            | SendError::Compose(_)
            | SendError::Nack(_)
            | SendError::Broken => Self::Refused(text),
        }
    }
}

/// A phone sends whatever the draft says.
pub(crate) fn phone_send(hub: &Hub, number: &str, out: &Outgoing) -> Result<Sent, Error> {
    let mut plan = plan(hub, number, out)?;
    let file = match &out.media {
        None => None,
        Some(file) => {
            let rng = &mut plan.rng;
            Some(file_message(hub, rng, file, &out.text, out.view_once)?)
        }
    };
    let message = compose(&mut plan, out, file)?;
    let missing = plan.missing()?;
    let bundles = hub.with(|server| server.bundles_for(&missing));
    let stanza = plan.seal(&message, &bundles)?;
    hub.with(|server| server.phone_message(plan.account, &stanza))?;
    Ok(Sent { id: plan.id })
}

fn compose(
    plan: &mut Plan,
    out: &Outgoing,
    file: Option<wa::Message>,
) -> Result<wa::Message, SendError> {
    let to = plan.destination();
    let phone = plan.phone.lock().map_err(|_| SendError::Broken)?;
    Ok(phone.compose(out, file, &to, &mut plan.rng)?)
}

/// Works out whom it goes to. A reaction to a story goes to its author alone.
fn plan(hub: &Hub, number: &str, out: &Outgoing) -> Result<Plan, SendError> {
    let story = out.reaction.as_ref().filter(|_| out.to == STORIES);
    let Some(reaction) = story else {
        return hub.with(|server| server.plan_send(number, &out.to, &out.audience));
    };
    let phone = hub.with(|server| server.phone_of(number));
    let phone = phone.ok_or_else(|| SendError::Sender(number.to_owned()))?;
    let author = {
        let phone = phone.lock().map_err(|_| SendError::Broken)?;
        let known = phone.known(&reaction.id);
        known
            .map(|k| k.author)
            .ok_or_else(|| ComposeError::Unknown(reaction.id.clone()))?
    };
    let to = author.number.to_string();
    let mut plan = hub.with(|server| server.plan_send(number, &to, &[]))?;
    plan.about_story();
    Ok(plan)
}

/// What a file is, and what is special about it.
fn kind_of(file: &OutgoingFile) -> Result<(MediaKind, FileForm), Error> {
    Ok(match file.kind.as_str() {
        "image" => (MediaKind::Image, FileForm::Plain),
        "video" => (MediaKind::Video, FileForm::Plain),
        "gif" => (MediaKind::Video, FileForm::Gif),
        "ptv" => (MediaKind::Video, FileForm::Round),
        "audio" => (MediaKind::Audio, FileForm::Plain),
        "voice" => (MediaKind::Audio, FileForm::Voice),
        "document" => (MediaKind::Document, FileForm::Plain),
        "sticker" => (MediaKind::Sticker, FileForm::Plain),
        other => {
            let text = format!("send from phone: no media kind {other:?}");
            return Err(Error::Bad(text));
        }
    })
}

fn decoded(what: &str, data: &str) -> Result<Vec<u8>, Error> {
    let bytes = STANDARD.decode(data);
    bytes.map_err(|_| Error::Bad(format!("send from phone: {what} is not base64")))
}

/// Encrypts a file, puts it on the media host and returns the message about it.
pub(super) fn file_message(
    hub: &Hub,
    rng: &mut ChaCha20Rng,
    file: &OutgoingFile,
    caption: &str,
    view_once: bool,
) -> Result<wa::Message, Error> {
    let (kind, form) = kind_of(file)?;
    let plain = decoded("data", &file.data)?;
    let optional = |what, data: &Option<String>| data.as_deref().map(|d| decoded(what, d));
    let details = MediaDetails {
        mimetype: file.mimetype.clone(),
        caption: Some(caption.to_owned()).filter(|c| !c.is_empty()),
        file_name: file.file_name.clone(),
        form,
        seconds: file.seconds,
        width: file.width,
        height: file.height,
        waveform: optional("waveform", &file.waveform).transpose()?,
        thumbnail: optional("thumbnail", &file.thumbnail).transpose()?,
        pages: file.pages,
        animated: file.animated,
        view_once,
    };
    let mut sealed = phone::seal_media(kind, &plain, rng).map_err(|e| Error::Refused(chain(&e)))?;
    let stored = std::mem::take(&mut sealed.bytes);
    let token = URL_SAFE_NO_PAD.encode(sealed.file_enc_sha256);
    let path = hub
        .media
        .put(&token, 0, stored.into())
        .map_err(|e| Error::Refused(e.to_string()))?;
    let host = hub.with(|server| server.options.media_host.clone());
    let at = StoredAt {
        url: format!("https://{host}{path}"),
        direct_path: path,
    };
    let now_s = hub.clock.now_ms() / 1000;
    Ok(phone::media_message(&sealed, at, details, now_s, rng))
}
