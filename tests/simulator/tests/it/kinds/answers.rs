//! Polls, events and what there is to press, each with the answers to it, both ways.

use serde_json::json;
use switchboard_simulator::Config;
use switchboard_simulator::phone::Kind;
use wacore::poll::PollVoteCiphertext;
use waproto::whatsapp as wa;

use super::{BOB, jid, send, shown, world, world_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_and_events_with_their_answers_both_ways_by_lid() {
    polls_and_events(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_and_events_with_their_answers_both_ways_by_number() {
    polls_and_events(false).await;
}

async fn polls_and_events(lid_migrated: bool) {
    let config = Config {
        lid_migrated,
        ..Config::default()
    };
    let (simulator, alice) = world_of(config).await;
    let poll = send(
        &simulator,
        json!({"poll": {"question": "When?", "options": ["now", "later"], "selectable": 1}}),
    );
    let got = alice.arrives(&poll).await;
    let chat = got.info.source.chat.clone();
    let secret = got
        .message
        .message_context_info
        .message_secret
        .clone()
        .unwrap();
    let creator = got.info.source.sender.to_non_ad();
    let polls = alice.client.polls();
    let later = ["later".to_owned()];
    let vote = polls
        .vote(chat.clone(), &poll, &creator, &secret, &later)
        .await
        .unwrap();
    let record = shown(&simulator, &vote.message_id).await;
    assert_eq!(
        (record.kind, record.options),
        (Kind::PollVote, later.to_vec())
    );
    assert_eq!(record.target.as_deref(), Some(&*poll));

    let options = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let (made, secret) = polls.create(jid(BOB), "Which?", &options, 2).await.unwrap();
    let record = shown(&simulator, &made.message_id).await;
    assert_eq!(
        (record.text.as_deref(), &record.options[..]),
        (Some("Which?"), &options[..])
    );
    let id = send(
        &simulator,
        json!({"vote": {"poll": made.message_id, "options": ["a", "c"]}}),
    );
    let got = alice.arrives(&id).await;
    let vote = &got.message.poll_update_message.vote;
    let sealed = PollVoteCiphertext {
        enc_payload: vote.enc_payload.as_deref().unwrap(),
        enc_iv: vote.enc_iv.as_deref().unwrap(),
    };
    let voter = got.info.source.sender.to_non_ad();
    let own = if lid_migrated {
        alice.client.lid()
    } else {
        alice.client.pn()
    };
    let own = own.unwrap().to_non_ad();
    let hashes = polls
        .decrypt_vote(sealed, &secret, &made.message_id, &own, &voter)
        .await
        .unwrap();
    let wanted = ["a", "c"].map(|o| wacore::poll::compute_option_hash(o).to_vec());
    assert_eq!(hashes, wanted);

    let event = send(
        &simulator,
        json!({"event": {"name": "Party", "description": "cake", "start": 1_900_000_000}}),
    );
    let got = alice.arrives(&event).await;
    assert_eq!(got.message.event_message.name.as_deref(), Some("Party"));
    let secret = got
        .message
        .message_context_info
        .message_secret
        .clone()
        .unwrap();
    use wa::message::event_response_message::EventResponseType;
    let response = alice
        .client
        .events()
        .respond(
            chat.clone(),
            &event,
            &creator,
            &secret,
            EventResponseType::MAYBE,
            None,
        )
        .await
        .unwrap();
    let record = shown(&simulator, &response.message_id).await;
    assert_eq!(
        (record.kind, record.text.as_deref()),
        (Kind::EventResponse, Some("maybe"))
    );
    alice.stop().await;
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_to_press_and_the_answers() {
    let (simulator, alice) = world().await;
    let id = send(
        &simulator,
        json!({"text": "choose", "buttons": {"footer": "f", "buttons": [{"id": "1", "title": "One"}]}}),
    );
    let buttons = alice.arrives(&id).await.message.buttons_message.clone();
    assert_eq!(buttons.content_text.as_deref(), Some("choose"));
    assert_eq!(buttons.buttons[0].button_id.as_deref(), Some("1"));
    let id = send(
        &simulator,
        json!({"text": "choose", "list": {"title": "t", "button": "open", "sections": [
            {"title": "s", "rows": [{"id": "r1", "title": "Row", "description": "d"}]}]}}),
    );
    let list = alice.arrives(&id).await.message.list_message.clone();
    assert_eq!(list.sections[0].rows[0].row_id.as_deref(), Some("r1"));
    let id = send(
        &simulator,
        json!({"text": "t", "template": {"buttons": [
            {"id": "1", "title": "One"}, {"title": "Page", "url": "https://example.com"}]}}),
    );
    assert!(alice.arrives(&id).await.message.template_message.is_set());
    let id = send(
        &simulator,
        json!({"text": "t", "interactive": {"cards": [
            {"text": "card", "buttons": [{"id": "1", "title": "One"}]}]}}),
    );
    assert!(
        alice
            .arrives(&id)
            .await
            .message
            .interactive_message
            .is_set()
    );

    // The client offers, the phone answers: each form of answer names what was pressed.
    let offer = wa::Message {
        buttons_message: wa::message::ButtonsMessage {
            content_text: Some("yes or no".to_owned()),
            buttons: vec![wa::message::buttons_message::Button {
                button_id: Some("yes".to_owned()),
                button_text: wa::message::buttons_message::button::ButtonText {
                    display_text: Some("Yes".to_owned()),
                }
                .into(),
                ..Default::default()
            }],
            ..Default::default()
        }
        .into(),
        ..Default::default()
    };
    let offered = alice
        .client
        .send_message(jid(BOB), offer)
        .await
        .unwrap()
        .message_id;
    let record = shown(&simulator, &offered).await;
    assert_eq!(
        (record.kind, record.text.as_deref()),
        (Kind::Interactive, Some("yes or no"))
    );
    assert_eq!(record.options, ["Yes"]);
    let reply =
        |kind: &str| json!({"reply": {"to": offered, "kind": kind, "id": "yes", "title": "Yes"}});
    let id = send(&simulator, reply("button"));
    let answer = alice
        .arrives(&id)
        .await
        .message
        .buttons_response_message
        .clone();
    assert_eq!(answer.selected_button_id.as_deref(), Some("yes"));
    assert_eq!(answer.context_info.stanza_id.as_deref(), Some(&*offered));
    let id = send(&simulator, reply("list"));
    let answer = alice
        .arrives(&id)
        .await
        .message
        .list_response_message
        .clone();
    assert_eq!(
        answer.single_select_reply.selected_row_id.as_deref(),
        Some("yes")
    );
    let id = send(&simulator, reply("template"));
    let answer = alice
        .arrives(&id)
        .await
        .message
        .template_button_reply_message
        .clone();
    assert_eq!(answer.selected_id.as_deref(), Some("yes"));
    let id = send(&simulator, reply("interactive"));
    let answer = alice
        .arrives(&id)
        .await
        .message
        .interactive_response_message
        .clone();
    assert_eq!(answer.body.text.as_deref(), Some("Yes"));
    alice.stop().await;
    simulator.shutdown().await;
}
