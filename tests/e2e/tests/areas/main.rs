//! One scenario per area of conversations: what a call does is seen by a phone or in the account's own state, and what phones do
//! arrives in listings and webhooks. The calls are one system's; the others go the same way behind their tables.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value gives null, it never panics"
)]

mod chats;
mod contacts;
mod desk;
mod history;
mod media;
mod messages;
mod presence;
mod profile;
mod stories;
mod webhooks;

use anyhow::Result;

use desk::Desk;

macro_rules! areas {
    ($($name:ident: $scenario:path, $seed:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() -> Result<()> {
            let desk = Desk::start($seed).await?;
            let result = $scenario(&desk).await;
            desk.explain(result)
        })*
    };
}

areas! {
    actions_on_messages_reach_the_partner: messages::actions, 41;
    every_kind_of_message_reaches_the_partner: messages::kinds, 42;
    what_phones_do_to_messages_is_seen: messages::from_the_phone, 43;
    messages_are_listed_and_found: messages::listings, 44;
    what_cannot_be_sent_is_refused_and_nothing_leaves: messages::refusals, 45;
    chats_change_on_every_device: chats::both_ways, 46;
    people_are_known_blocked_and_checked: contacts::people, 47;
    profile_and_presence_are_seen: profile::profile, 48;
    stories_reach_their_audience: stories::stories, 49;
    files_are_kept_listed_and_removed: media::files, 50;
    the_past_of_the_phone_is_listed: history::past, 51;
    files_of_chosen_kinds_come_by_themselves: media::by_themselves, 52;
    a_webhook_is_tried_out: webhooks::tried_out, 53;
    a_checked_number_is_not_asked_for_again: contacts::checks, 54;
    who_is_watched_is_seen_coming_and_going: presence::watched, 55;
    a_change_outlasts_those_of_other_devices: chats::outlasts, 56;
}
