//! The protobuf form of a file that was uploaded.

use switchboard_vocab::content::MediaKind;
use wacore::download::MediaType;
use waproto::whatsapp as wa;
use whatsapp_rust::media::{
    AudioOptions, DocumentOptions, ImageOptions, VideoOptions, audio_message, document_message,
    image_message, video_message,
};
use whatsapp_rust::upload::UploadResponse;

use crate::api::OutgoingFile;
use crate::media::{MediaKeys, StoredKind};

/// How the media host is told what it gets.
pub(super) fn media_type(kind: MediaKind) -> MediaType {
    StoredKind::from(kind).into()
}

/// What is needed to download the file again.
pub(super) fn keys(file: &OutgoingFile, uploaded: &UploadResponse) -> MediaKeys {
    MediaKeys {
        kind: file.kind.into(),
        direct_path: Some(uploaded.direct_path.clone()),
        static_url: None,
        media_key: Some(uploaded.media_key.to_vec()),
        file_enc_sha256: Some(uploaded.file_enc_sha256.to_vec()),
        file_sha256: Some(uploaded.file_sha256.to_vec()),
        size: Some(uploaded.file_length),
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
                ..VideoOptions::default()
            };
            let mut message = video_message(uploaded, options);
            if let (Some(video), Some((width, height))) =
                (message.video_message.as_option_mut(), file.size)
            {
                (video.width, video.height) = (Some(width), Some(height));
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
