//! The protobuf form of a file that was uploaded.

use switchboard_vocab::content::MediaKind;
use wacore::download::MediaType;
use waproto::whatsapp as wa;
use whatsapp_rust::Client;
use whatsapp_rust::media::{
    AudioOptions, DocumentOptions, ImageOptions, VideoOptions, audio_message, document_message,
    image_message, video_message,
};
use whatsapp_rust::upload::{UploadOptions, UploadResponse};

use crate::api::{Error, OutgoingFile};
use crate::media::{self, StoredKind};

/// How the media host is told what it gets.
pub(super) fn media_type(kind: MediaKind) -> MediaType {
    StoredKind::from(kind).into()
}

/// Uploads the file; the message around it.
pub(super) async fn upload(client: &Client, file: &OutgoingFile) -> Result<wa::Message, Error> {
    let kind = media_type(file.kind);
    let uploading = client.upload(file.bytes.to_vec(), kind, UploadOptions::default());
    let uploaded = Box::pin(uploading)
        .await
        .map_err(|error| media::failed(&error))?;
    Ok(message(file, uploaded))
}

/// Lets a file be opened once only. Pictures and films travel in one wrapper, sound in another.
pub(super) fn view_once(mut message: wa::Message) -> wa::Message {
    let context = message.message_context_info.take();
    let is_sound = message.audio_message.is_set();
    if let Some(image) = message.image_message.as_option_mut() {
        image.view_once = Some(true);
    } else if let Some(video) = message.video_message.as_option_mut() {
        video.view_once = Some(true);
    } else if let Some(audio) = message.audio_message.as_option_mut() {
        audio.view_once = Some(true);
    } else {
        message.message_context_info = context.into();
        return message;
    }
    let wrapper = buffa::MessageField::some(wa::message::FutureProofMessage {
        message: buffa::MessageField::some(message),
    });
    let mut outer = wa::Message {
        message_context_info: context.into(),
        ..Default::default()
    };
    if is_sound {
        outer.view_once_message_v2_extension = wrapper;
    } else {
        outer.view_once_message_v2 = wrapper;
    }
    outer
}

/// Puts a document with words under it into the wrapper in which WhatsApp's own clients send it; others stay as they are.
pub(super) fn captioned_document(mut message: wa::Message) -> wa::Message {
    let document = message.document_message.as_option();
    let words = document.and_then(|document| document.caption.as_deref());
    if words.is_none_or(str::is_empty) {
        return message;
    }
    let context = message.message_context_info.take();
    wa::Message {
        document_with_caption_message: buffa::MessageField::some(wa::message::FutureProofMessage {
            message: buffa::MessageField::some(message),
        }),
        message_context_info: context.into(),
        ..Default::default()
    }
}

/// The message around the file.
pub(super) fn message(file: &OutgoingFile, uploaded: UploadResponse) -> wa::Message {
    let mimetype = Some(file.mime_type.clone());
    let thumbnail = file.thumbnail.as_ref().map(|bytes| bytes.to_vec());
    let caption = file.caption.clone();
    match file.kind {
        MediaKind::Image => {
            let options = ImageOptions {
                caption,
                mimetype,
                jpeg_thumbnail: thumbnail,
                context_info: None,
            };
            let mut message = image_message(uploaded, options);
            if let (Some(image), Some((width, height))) =
                (message.image_message.as_option_mut(), file.size)
            {
                (image.width, image.height) = (Some(width), Some(height));
            }
            message
        }
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => {
            let options = VideoOptions {
                caption,
                mimetype,
                jpeg_thumbnail: thumbnail,
                duration_seconds: file.seconds,
                gif_playback: (file.kind == MediaKind::Gif).then_some(true),
                ..VideoOptions::default()
            };
            let mut message = video_message(uploaded, options);
            if let (Some(video), Some((width, height))) =
                (message.video_message.as_option_mut(), file.size)
            {
                (video.width, video.height) = (Some(width), Some(height));
            }
            if file.kind == MediaKind::ShortVideo {
                message.ptv_message = message.video_message.take().into();
            }
            message
        }
        MediaKind::Audio | MediaKind::Voice => {
            let ptt = Some(file.kind == MediaKind::Voice);
            audio_message(
                uploaded,
                AudioOptions {
                    mimetype,
                    ptt,
                    duration_seconds: file.seconds,
                    waveform: file.waveform.clone(),
                    ..AudioOptions::default()
                },
            )
        }
        MediaKind::Document => {
            let title = file.file_name.clone();
            let options = DocumentOptions {
                mimetype,
                file_name: file.file_name.clone(),
                title,
                caption,
                page_count: None,
                jpeg_thumbnail: thumbnail,
                context_info: None,
            };
            document_message(uploaded, options)
        }
        MediaKind::Sticker => sticker(file, uploaded),
    }
}

/// A sticker; the library has no builder for it.
fn sticker(file: &OutgoingFile, uploaded: UploadResponse) -> wa::Message {
    let (width, height) = file
        .size
        .map_or((None, None), |(width, height)| (Some(width), Some(height)));
    wa::Message {
        sticker_message: buffa::MessageField::some(wa::message::StickerMessage {
            url: Some(uploaded.url),
            direct_path: Some(uploaded.direct_path),
            media_key: Some(uploaded.media_key.to_vec()),
            file_sha256: Some(uploaded.file_sha256.to_vec()),
            file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
            file_length: Some(uploaded.file_length),
            media_key_timestamp: Some(uploaded.media_key_timestamp),
            mimetype: Some(file.mime_type.clone()),
            is_animated: Some(whatsapp_rust::webp::is_animated(&file.bytes)),
            width,
            height,
            ..Default::default()
        }),
        ..Default::default()
    }
}
