//! What else a user sees of a message: names, titles, buttons, times. Facts as text, by name.

use std::collections::BTreeMap;

use wa::message::interactive_message::InteractiveMessage as Payload;
use waproto::whatsapp as wa;

/// Details by name.
pub(super) type Details = BTreeMap<String, String>;

/// Collects what is there.
#[derive(Default)]
struct Collector(Details);

impl Collector {
    fn add(&mut self, name: &str, value: Option<&(impl ToString + ?Sized)>) {
        if let Some(value) = value {
            let text = value.to_string();
            if !text.is_empty() {
                self.0.insert(name.to_owned(), text);
            }
        }
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        if value == Some(true) {
            self.0.insert(name.to_owned(), "true".to_owned());
        }
    }
}

/// The details of a message without wrappers, in the context that came with it.
pub(super) fn details(message: &wa::Message, context: Option<&wa::ContextInfo>) -> Details {
    let mut all = Collector::default();
    if let Some(text) = message.extended_text_message.as_option() {
        all.add("link", text.matched_text.as_ref());
        all.add("link_title", text.title.as_ref());
        all.add("link_description", text.description.as_ref());
        all.add("background", text.background_argb.as_ref());
    }
    files(&mut all, message);
    people_and_places(&mut all, message);
    if let Some(context) = context {
        all.add("forwarding_score", context.forwarding_score.as_ref());
        all.add("expiration", context.expiration.as_ref());
    }
    if let Some(pin) = message.pin_in_chat_message.as_option() {
        let pinned = pin.r#type == Some(wa::message::pin_in_chat_message::Type::PIN_FOR_ALL);
        all.add("pinned", Some(&pinned));
    }
    if let Some(invite) = message.group_invite_message.as_option() {
        all.add("group", invite.group_jid.as_ref());
        all.add("code", invite.invite_code.as_ref());
        all.add("name", invite.group_name.as_ref());
        all.add("expires", invite.invite_expiration.as_ref());
    }
    if let Some(album) = message.album_message.as_option() {
        all.add("images", album.expected_image_count.as_ref());
        all.add("videos", album.expected_video_count.as_ref());
    }
    interactive(&mut all, message);
    answers(&mut all, message);
    all.0
}

fn files(all: &mut Collector, message: &wa::Message) {
    if let Some(image) = message.image_message.as_option() {
        all.add("width", image.width.as_ref());
        all.add("height", image.height.as_ref());
    }
    let round = message.ptv_message.as_option();
    if let Some(video) = message.video_message.as_option().or(round) {
        all.add("seconds", video.seconds.as_ref());
        all.add("width", video.width.as_ref());
        all.add("height", video.height.as_ref());
        all.flag("gif", video.gif_playback);
        all.flag("round", round.map(|_| true));
    }
    if let Some(audio) = message.audio_message.as_option() {
        all.add("seconds", audio.seconds.as_ref());
        all.add(
            "waveform",
            audio.waveform.as_ref().map(hex::encode).as_ref(),
        );
    }
    if let Some(document) = message.document_message.as_option() {
        all.add("pages", document.page_count.as_ref());
        all.add("title", document.title.as_ref());
    }
    if let Some(sticker) = message.sticker_message.as_option() {
        all.flag("animated", sticker.is_animated);
    }
    if let Some(pack) = message.sticker_pack_message.as_option() {
        all.add("name", pack.name.as_ref());
        all.add("publisher", pack.publisher.as_ref());
        all.add("stickers", Some(&pack.stickers.len()));
    }
}

fn people_and_places(all: &mut Collector, message: &wa::Message) {
    if let Some(place) = message.live_location_message.as_option() {
        all.add("sequence", place.sequence_number.as_ref());
    }
    if let Some(card) = message.contact_message.as_option() {
        all.add("name", card.display_name.as_ref());
    }
    if let Some(cards) = message.contacts_array_message.as_option() {
        all.add("name", cards.display_name.as_ref());
        all.add("contacts", Some(&cards.contacts.len()));
    }
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
    ];
    if let Some(poll) = polls.into_iter().find_map(|poll| poll.as_option()) {
        all.add("selectable", poll.selectable_options_count.as_ref());
        let correct = poll.correct_answer.as_option();
        all.add("correct", correct.and_then(|o| o.option_name.as_ref()));
    }
    if let Some(event) = message.event_message.as_option() {
        all.add("description", event.description.as_ref());
        all.add("start", event.start_time.as_ref());
        all.add("end", event.end_time.as_ref());
        all.add("link", event.join_link.as_ref());
        let place = event.location.as_option();
        all.add("place", place.and_then(|p| p.name.as_ref()));
        all.flag("cancelled", event.is_canceled);
    }
}

fn interactive(all: &mut Collector, message: &wa::Message) {
    if let Some(buttons) = message.buttons_message.as_option() {
        all.add("form", Some("buttons"));
        all.add("footer", buttons.footer_text.as_ref());
        if let Some(wa::message::buttons_message::Header::Text(title)) = &buttons.header {
            all.add("title", Some(title));
        }
    }
    if let Some(list) = message.list_message.as_option() {
        all.add("form", Some("list"));
        all.add("title", list.title.as_ref());
        all.add("button", list.button_text.as_ref());
        all.add("footer", list.footer_text.as_ref());
    }
    if let Some(rows) = template_rows(message) {
        use wa::message::template_message::hydrated_four_row_template::Title;
        all.add("form", Some("template"));
        all.add("footer", rows.hydrated_footer_text.as_ref());
        if let Some(Title::HydratedTitleText(title)) = &rows.title {
            all.add("title", Some(title));
        }
    }
    if let Some(flow) = message.interactive_message.as_option() {
        let form = match &flow.interactive_message {
            Some(Payload::CarouselMessage(_)) => "carousel",
            Some(Payload::ShopStorefrontMessage(_)) => "shop",
            Some(Payload::CollectionMessage(_)) => "collection",
            Some(Payload::NativeFlowMessage(_)) | None => "native_flow",
        };
        all.add("form", Some(form));
        let header = flow.header.as_option();
        all.add("title", header.and_then(|h| h.title.as_ref()));
        let footer = flow.footer.as_option();
        all.add("footer", footer.and_then(|f| f.text.as_ref()));
    }
}

fn answers(all: &mut Collector, message: &wa::Message) {
    if let Some(answer) = message.buttons_response_message.as_option() {
        all.add("form", Some("button_reply"));
        all.add("selected", answer.selected_button_id.as_ref());
    }
    if let Some(answer) = message.list_response_message.as_option() {
        all.add("form", Some("list_reply"));
        let row = answer.single_select_reply.as_option();
        all.add("selected", row.and_then(|r| r.selected_row_id.as_ref()));
        all.add("description", answer.description.as_ref());
    }
    if let Some(answer) = message.template_button_reply_message.as_option() {
        all.add("form", Some("template_reply"));
        all.add("selected", answer.selected_id.as_ref());
    }
    if let Some(answer) = message.interactive_response_message.as_option() {
        use wa::message::interactive_response_message::InteractiveResponseMessage as Response;
        all.add("form", Some("flow_reply"));
        if let Some(Response::NativeFlowResponseMessage(flow)) =
            &answer.interactive_response_message
        {
            all.add("name", flow.name.as_ref());
            all.add("params", flow.params_json.as_ref());
            let params = flow.params_json.as_deref().unwrap_or_default();
            let params: serde_json::Value = serde_json::from_str(params).unwrap_or_default();
            all.add("selected", params.get("id").and_then(|id| id.as_str()));
        }
    }
}

/// The filled-in part of a template, wherever it is.
pub(super) fn template_rows(
    message: &wa::Message,
) -> Option<&wa::message::template_message::HydratedFourRowTemplate> {
    use wa::message::template_message::Format;
    let template = message.template_message.as_option()?;
    match &template.format {
        Some(Format::HydratedFourRowTemplate(rows)) => Some(rows),
        _ => template.hydrated_template.as_option(),
    }
}

/// What there is to press or to choose, as shown.
pub(super) fn choices(message: &wa::Message) -> Vec<String> {
    if let Some(buttons) = message.buttons_message.as_option() {
        let shown = buttons
            .buttons
            .iter()
            .filter_map(|b| b.button_text.as_option());
        return shown.filter_map(|text| text.display_text.clone()).collect();
    }
    if let Some(list) = message.list_message.as_option() {
        let rows = list.sections.iter().flat_map(|section| &section.rows);
        return rows.filter_map(|row| row.title.clone()).collect();
    }
    if let Some(rows) = template_rows(message) {
        return rows
            .hydrated_buttons
            .iter()
            .filter_map(template_button)
            .collect();
    }
    let flow = message.interactive_message.as_option();
    flow.map(flow_choices).unwrap_or_default()
}

fn template_button(button: &wa::HydratedTemplateButton) -> Option<String> {
    use wa::hydrated_template_button::HydratedButton as Kind;
    match button.hydrated_button.as_ref()? {
        Kind::QuickReplyButton(b) => b.display_text.clone(),
        Kind::UrlButton(b) => b.display_text.clone(),
        Kind::CallButton(b) => b.display_text.clone(),
    }
}

fn flow_choices(flow: &wa::message::InteractiveMessage) -> Vec<String> {
    match &flow.interactive_message {
        Some(Payload::NativeFlowMessage(native)) => {
            native.buttons.iter().filter_map(native_button).collect()
        }
        Some(Payload::CarouselMessage(carousel)) => {
            // Cards of cards do not exist; one level is enough.
            let cards = carousel.cards.iter();
            let native = cards.filter_map(|card| match &card.interactive_message {
                Some(Payload::NativeFlowMessage(native)) => Some(native),
                _ => None,
            });
            native
                .flat_map(|native| native.buttons.iter().filter_map(native_button))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn native_button(
    button: &wa::message::interactive_message::native_flow_message::NativeFlowButton,
) -> Option<String> {
    let params = button.button_params_json.as_deref().unwrap_or_default();
    let params: serde_json::Value = serde_json::from_str(params).unwrap_or_default();
    let shown = params.get("display_text").and_then(|text| text.as_str());
    shown.or(button.name.as_deref()).map(ToOwned::to_owned)
}
