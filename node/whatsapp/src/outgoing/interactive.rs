//! Buttons, lists and cards as native flows: what WhatsApp takes from linked devices, without a promise to show it.
//!
//! Source of the names and parameters of the buttons: what WhatsApp's own business messages carry.

use buffa::MessageField;
use serde_json::{Value, json};
use switchboard_vocab::content::{Action, Button, CarouselCard, Interactive, Section};
use wa::message::InteractiveMessage;
use wa::message::interactive_message::carousel_message::CarouselCardType;
use wa::message::interactive_message::header::Media;
use wa::message::interactive_message::native_flow_message::NativeFlowButton;
use wa::message::interactive_message::{
    Body, CarouselMessage, Footer, Header, InteractiveMessage as Payload, NativeFlowMessage,
};
use waproto::whatsapp as wa;
use whatsapp_rust::Client;

use super::build::refusal;
use super::file;
use crate::api::{Error, OutgoingFile};

/// Version of a native flow and of a carousel. Source: the default of the protobuf schema.
const VERSION: i32 = 1;

/// The message, its files uploaded.
pub(super) async fn message(
    client: &Client,
    content: &Interactive,
    file: Option<&OutgoingFile>,
    card_files: &[Option<OutgoingFile>],
) -> Result<wa::Message, Error> {
    let media = header_media(client, file).await?;
    let payload = match &content.action {
        Action::Buttons { buttons } => {
            Payload::NativeFlowMessage(Box::new(flow(buttons.iter().map(button).collect())))
        }
        Action::List { label, sections } => {
            Payload::NativeFlowMessage(Box::new(flow(vec![list(label, sections)])))
        }
        Action::Carousel { cards } => {
            let mut all = Vec::with_capacity(cards.len());
            for (at, card) in cards.iter().enumerate() {
                let file = card_files.get(at).and_then(Option::as_ref);
                all.push(self::card(card, header_media(client, file).await?));
            }
            Payload::CarouselMessage(Box::new(CarouselMessage {
                cards: all,
                message_version: Some(VERSION),
                carousel_card_type: Some(CarouselCardType::HSCROLL_CARDS),
            }))
        }
    };
    let message = InteractiveMessage {
        header: header(content.header.as_deref(), media),
        body: body(&content.body),
        footer: footer(content.footer.as_deref()),
        interactive_message: Some(payload),
        ..Default::default()
    };
    Ok(wa::Message {
        interactive_message: MessageField::some(message),
        ..Default::default()
    })
}

async fn header_media(
    client: &Client,
    file: Option<&OutgoingFile>,
) -> Result<Option<Media>, Error> {
    let Some(file) = file else {
        return Ok(None);
    };
    let mut message = file::upload(client, file).await?;
    if let Some(image) = message.image_message.take() {
        return Ok(Some(Media::ImageMessage(Box::new(image))));
    }
    if let Some(video) = message.video_message.take() {
        return Ok(Some(Media::VideoMessage(Box::new(video))));
    }
    if let Some(document) = message.document_message.take() {
        return Ok(Some(Media::DocumentMessage(Box::new(document))));
    }
    Err(refusal(
        "above buttons stands a picture, a film or a document only",
    ))
}

pub(super) fn header(title: Option<&str>, media: Option<Media>) -> MessageField<Header> {
    if title.is_none() && media.is_none() {
        return MessageField::none();
    }
    MessageField::some(Header {
        title: title.map(str::to_owned),
        has_media_attachment: Some(media.is_some()),
        media,
        ..Default::default()
    })
}

fn body(text: &str) -> MessageField<Body> {
    MessageField::some(Body {
        text: Some(text.to_owned()),
    })
}

fn footer(text: Option<&str>) -> MessageField<Footer> {
    text.map(|text| {
        MessageField::some(Footer {
            text: Some(text.to_owned()),
            ..Default::default()
        })
    })
    .unwrap_or_default()
}

fn card(card: &CarouselCard, media: Option<Media>) -> InteractiveMessage {
    InteractiveMessage {
        header: header(None, media),
        body: body(&card.body),
        footer: footer(card.footer.as_deref()),
        interactive_message: Some(Payload::NativeFlowMessage(Box::new(flow(
            card.buttons.iter().map(button).collect(),
        )))),
        ..Default::default()
    }
}

fn flow(buttons: Vec<NativeFlowButton>) -> NativeFlowMessage {
    NativeFlowMessage {
        buttons,
        message_params_json: Some("{}".to_owned()),
        message_version: Some(VERSION),
    }
}

fn flow_button(name: &str, params: &Value) -> NativeFlowButton {
    NativeFlowButton {
        name: Some(name.to_owned()),
        button_params_json: Some(params.to_string()),
    }
}

pub(super) fn button(button: &Button) -> NativeFlowButton {
    match button {
        Button::Reply { id, title } => {
            flow_button("quick_reply", &json!({"display_text": title, "id": id}))
        }
        Button::Url { title, url } => flow_button(
            "cta_url",
            &json!({"display_text": title, "url": url, "merchant_url": url}),
        ),
        Button::Call { title, phone } => flow_button(
            "cta_call",
            &json!({"display_text": title, "phone_number": phone}),
        ),
        Button::Copy { title, code } => flow_button(
            "cta_copy",
            &json!({"display_text": title, "copy_code": code}),
        ),
    }
}

pub(super) fn list(label: &str, sections: &[Section]) -> NativeFlowButton {
    let rows = |section: &Section| -> Vec<Value> {
        let rows = section.rows.iter();
        rows.map(|row| {
            json!({
                "header": "",
                "title": row.title,
                "description": row.description.as_deref().unwrap_or_default(),
                "id": row.id,
            })
        })
        .collect()
    };
    let sections: Vec<Value> = sections
        .iter()
        .map(|section| json!({"title": section.title, "rows": rows(section)}))
        .collect();
    flow_button(
        "single_select",
        &json!({"title": label, "sections": sections}),
    )
}
