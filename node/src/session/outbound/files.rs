//! Brings the files of an outgoing message to hand, and says what the log keeps of its content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use switchboard_vocab::content::{
    Action, Body, Content, GivenPreview, Interactive, LinkPreview, MediaBody, MediaKind,
    OutgoingMedia, PreviewBody, Text,
};
use switchboard_vocab::media::{MediaSource, StoredMedia};
use switchboard_vocab::{ErrorCode, OpError, UserId};
use switchboard_whatsapp::{OutgoingContent, OutgoingFile};

use super::{card, preview, record};
use crate::ports::{Resolved, Wanted};
use crate::session::context::SessionCx;

/// Content with everything at hand.
pub(super) struct Brought {
    /// What WhatsApp gets.
    pub(super) content: OutgoingContent,
    /// What the log keeps.
    pub(super) body: Body,
    /// The file of the message, when it has one of its own.
    pub(super) media: Option<StoredMedia>,
    pub(super) mentions: Vec<UserId>,
    pub(super) mention_all: bool,
    pub(super) view_once: bool,
    pub(super) preview: Option<PreviewBody>,
}

impl Brought {
    const fn plain(content: OutgoingContent, body: Body) -> Self {
        Self {
            content,
            body,
            media: None,
            mentions: Vec::new(),
            mention_all: false,
            view_once: false,
            preview: None,
        }
    }
}

pub(super) async fn bring(content: Content, cx: &SessionCx) -> Result<Brought, OpError> {
    match content {
        Content::Text(text) => words(text, cx).await,
        Content::Media(media) => {
            let (file, stored) = file(&media, cx).await?;
            let body = Body::Media(media_body(&file, &stored));
            let (mentions, view_once) = (media.mentions, media.view_once);
            Ok(Brought {
                media: Some(stored),
                mentions,
                view_once,
                ..Brought::plain(OutgoingContent::Media(file), body)
            })
        }
        Content::Location(place) => {
            let body = Body::Location(place.clone());
            Ok(Brought::plain(OutgoingContent::Location(place), body))
        }
        Content::LiveLocation(place) => {
            let body = Body::LiveLocation(place.clone());
            Ok(Brought::plain(OutgoingContent::LiveLocation(place), body))
        }
        Content::Contacts { cards } => {
            let body = Body::Contacts {
                cards: cards.clone(),
            };
            Ok(Brought::plain(OutgoingContent::Contacts(cards), body))
        }
        Content::Person { user, number } => {
            let cards = vec![card::of(&user, &number, cx).await?];
            let body = Body::Contacts {
                cards: cards.clone(),
            };
            Ok(Brought::plain(OutgoingContent::Contacts(cards), body))
        }
        Content::Poll(poll) => {
            let body = Body::Poll(record::poll(poll.clone()));
            Ok(Brought::plain(OutgoingContent::Poll(poll), body))
        }
        Content::Event(event) => {
            let body = Body::Event(record::event(event.clone()));
            Ok(Brought::plain(OutgoingContent::Event(event), body))
        }
        Content::Interactive(interactive) => self::interactive(interactive, cx).await,
    }
}

async fn words(text: Text, cx: &SessionCx) -> Result<Brought, OpError> {
    let preview = match text.preview {
        LinkPreview::Off => None,
        LinkPreview::Auto => preview::of_page(&text.body, cx).await,
        LinkPreview::Given(given) => given_preview(given, &text.body, cx).await?,
    };
    let content = OutgoingContent::Text {
        body: text.body.clone(),
        mentions: text.mentions.clone(),
        mention_all: text.mention_all,
        preview: preview.clone(),
    };
    let body = Body::Text(Text {
        body: text.body,
        mentions: text.mentions.clone(),
        mention_all: text.mention_all,
        preview: LinkPreview::Off,
    });
    Ok(Brought {
        mentions: text.mentions,
        mention_all: text.mention_all,
        preview,
        ..Brought::plain(content, body)
    })
}

async fn given_preview(
    given: GivenPreview,
    body: &str,
    cx: &SessionCx,
) -> Result<Option<PreviewBody>, OpError> {
    let link = given.link.or_else(|| first_link(body).map(str::to_owned));
    let Some(link) = link else {
        return Err(OpError::invalid("there is no link in the text to preview"));
    };
    let thumbnail = match &given.thumbnail {
        Some(source) => Some(STANDARD.encode(small_picture(source, cx).await?)),
        None => None,
    };
    Ok(Some(PreviewBody {
        link,
        title: Some(given.title),
        description: given.description,
        canonical: given.canonical,
        thumbnail,
    }))
}

/// The first web address in a text.
pub(super) fn first_link(text: &str) -> Option<&str> {
    let words = text.split_whitespace();
    let trimmed = words.map(|word| {
        word.trim_start_matches(['(', '<', '[', '"', '\''])
            .trim_end_matches(['.', ',', ';', '!', '?', ')', '>', ']', '"', '\''])
    });
    let mut links = trimmed.filter(|word| {
        let scheme = word.starts_with("http://") || word.starts_with("https://");
        scheme && url::Url::parse(word).is_ok()
    });
    links.next()
}

/// A picture made small.
pub(super) async fn small_picture(source: &MediaSource, cx: &SessionCx) -> Result<Bytes, OpError> {
    let wanted = Wanted {
        source,
        kind: Some(MediaKind::Image),
        mime_type: None,
        file_name: None,
    };
    let file = cx.ports().media.resolve(cx.scope(), wanted).await?;
    file.thumbnail.ok_or_else(|| {
        let text = "the thumbnail is no picture that can be read";
        OpError::new(ErrorCode::UnsupportedMedia, text)
    })
}

/// Brings the file to hand and keeps it, so that the sent message can be opened later.
pub(super) async fn file(
    media: &OutgoingMedia,
    cx: &SessionCx,
) -> Result<(OutgoingFile, StoredMedia), OpError> {
    let wanted = Wanted {
        source: &media.source,
        kind: (!media.by_type).then_some(media.as_kind),
        mime_type: media.mime_type.as_deref(),
        file_name: media.file_name.as_deref(),
    };
    let Resolved {
        meta,
        bytes,
        size,
        thumbnail,
        seconds,
        waveform,
    } = cx.ports().media.resolve(cx.scope(), wanted).await?;
    let thumbnail = match &media.thumbnail {
        Some(source) => Some(small_picture(source, cx).await?),
        None => thumbnail,
    };
    let store = &cx.ports().media;
    store.put(cx.scope(), &meta, bytes.clone()).await?;
    let file = OutgoingFile {
        kind: meta.kind,
        mime_type: meta.mime_type.clone(),
        bytes,
        caption: media.caption.clone(),
        file_name: meta.file_name.clone(),
        size: media.size.or(size),
        thumbnail,
        seconds: media.seconds.or(seconds),
        waveform: media.waveform.clone().or(waveform),
        mentions: media.mentions.clone(),
        view_once: media.view_once,
    };
    Ok((file, meta))
}

pub(super) fn media_body(file: &OutgoingFile, stored: &StoredMedia) -> MediaBody {
    MediaBody {
        kind: file.kind,
        id: stored.id.clone(),
        mime_type: stored.mime_type.clone(),
        size: stored.size,
        sha256: stored.sha256.clone(),
        caption: file.caption.clone(),
        file_name: stored.file_name.clone(),
        width: file.size.map(|size| size.0),
        height: file.size.map(|size| size.1),
        seconds: file.seconds,
        waveform: file.waveform.clone(),
        thumbnail: file.thumbnail.as_ref().map(|bytes| STANDARD.encode(bytes)),
    }
}

async fn interactive(mut content: Interactive, cx: &SessionCx) -> Result<Brought, OpError> {
    let file = optional(content.media.as_mut(), cx).await?;
    let mut card_files = Vec::new();
    if let Action::Carousel { cards } = &mut content.action {
        for card in cards {
            card_files.push(optional(card.media.as_mut(), cx).await?);
        }
    }
    let body = Body::Interactive(content.clone());
    let content = OutgoingContent::Interactive {
        content,
        file,
        card_files,
    };
    Ok(Brought::plain(content, body))
}

/// The file, where there is one; the log names it by its id in the media store.
async fn optional(
    media: Option<&mut OutgoingMedia>,
    cx: &SessionCx,
) -> Result<Option<OutgoingFile>, OpError> {
    let Some(media) = media else { return Ok(None) };
    let (file, stored) = file(media, cx).await?;
    media.source = MediaSource::Stored(stored.id);
    media.thumbnail = None;
    Ok(Some(file))
}
