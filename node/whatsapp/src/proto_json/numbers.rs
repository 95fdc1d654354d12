//! The numbers of enum values, which serde does not tell: it tells the name and the place in the declaration.
//!
//! Source: the schema in waproto 0.7.0, all enums that a message or a part of the history can hold. In most of them the place
//! is the number; the others stand here.

/// Enums whose values count from one.
const FROM_ONE: [&str; 14] = [
    "BotMetricsThreadEntryPoint",
    "CalendarType",
    "DayOfWeekType",
    "GalaxyFlowActionType",
    "HistorySyncChunkRetryResponseCode",
    "MessageAddonExpiryType",
    "OrderStatus",
    "OrderSurface",
    "OrientationType",
    "PrivacySystemMessage",
    "ReminderAction",
    "StatusLinkType",
    "StatusQuotedMessageType",
    "WebviewPresentationType",
];

/// Values that stand at another place than their number says: enum, value, number. Of the two enums called
/// `ReminderFrequency`, `WEEKLY` and `MONTHLY` are read as those of the older one.
const ELSEWHERE: [(&str, &str, u32); 53] = [
    ("ContentType", "UPDATE", 1),
    ("ContentType", "UPDATE_CARD", 2),
    ("ContentType", "LINK_CARD", 3),
    ("ReminderFrequency", "ONCE", 1),
    ("ReminderFrequency", "DAILY", 2),
    ("ReminderFrequency", "BIWEEKLY", 4),
    ("Type", "EPHEMERAL_SETTING", 3),
    ("Type", "EPHEMERAL_SYNC_RESPONSE", 4),
    ("Type", "HISTORY_SYNC_NOTIFICATION", 5),
    ("Type", "APP_STATE_SYNC_KEY_SHARE", 6),
    ("Type", "APP_STATE_SYNC_KEY_REQUEST", 7),
    ("Type", "MSG_FANOUT_BACKFILL_REQUEST", 8),
    ("Type", "INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC", 9),
    ("Type", "APP_STATE_FATAL_EXCEPTION_NOTIFICATION", 10),
    ("Type", "SHARE_PHONE_NUMBER", 11),
    ("Type", "MESSAGE_EDIT", 14),
    ("Type", "PEER_DATA_OPERATION_REQUEST_MESSAGE", 16),
    ("Type", "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE", 17),
    ("Type", "REQUEST_WELCOME_MESSAGE", 18),
    ("Type", "BOT_FEEDBACK_MESSAGE", 19),
    ("Type", "MEDIA_NOTIFY_MESSAGE", 20),
    ("Type", "CLOUD_API_THREAD_CONTROL_NOTIFICATION", 21),
    ("Type", "LID_MIGRATION_MAPPING_SYNC", 22),
    ("Type", "REMINDER_MESSAGE", 23),
    ("Type", "BOT_MEMU_ONBOARDING_MESSAGE", 24),
    ("Type", "STATUS_MENTION_MESSAGE", 25),
    ("Type", "STOP_GENERATION_MESSAGE", 26),
    ("Type", "LIMIT_SHARING", 27),
    ("Type", "AI_PSI_METADATA", 28),
    ("Type", "AI_QUERY_FANOUT", 29),
    ("Type", "GROUP_MEMBER_LABEL_CHANGE", 30),
    ("Type", "AI_MEDIA_COLLECTION_MESSAGE", 31),
    ("Type", "MESSAGE_UNSCHEDULE", 32),
    ("Type", "CHAT_THEME_SETTING", 34),
    ("Type", "AI_METADATA_OPERATION", 35),
    ("BotMetricsEntryPoint", "META_AI_SETTINGS", 45),
    ("BotMetricsEntryPoint", "WEB_INTRO_PANEL", 46),
    ("BotMetricsEntryPoint", "WEB_NAVIGATION_BAR", 47),
    ("BotMetricsEntryPoint", "GROUP_MEMBER", 54),
    ("BotMetricsEntryPoint", "CHATLIST_SEARCH", 55),
    ("BotMetricsEntryPoint", "NEW_CHAT_LIST", 56),
    ("FontType", "SYSTEM_BOLD", 6),
    ("FontType", "MORNINGBREEZE_REGULAR", 7),
    ("FontType", "CALISTOGA_REGULAR", 8),
    ("FontType", "EXO2_EXTRABOLD", 9),
    ("FontType", "COURIERPRIME_BOLD", 10),
    ("PreviewType", "PLACEHOLDER", 4),
    ("PreviewType", "IMAGE", 5),
    ("PreviewType", "PAYMENT_LINKS", 6),
    ("PreviewType", "PROFILE", 7),
    ("BizPrivacyStatus", "FB", 2),
    ("BizPrivacyStatus", "BSP", 1),
    ("StubType", "CTWA_CONSUMER_DISCLOSURE", 230),
];

/// The number of a value that stands at that place of its enum.
pub(super) fn of(kind: &str, name: &str, place: u32) -> u32 {
    if FROM_ONE.contains(&kind) {
        return place.saturating_add(1);
    }
    let known = ELSEWHERE
        .iter()
        .find(|(of, value, _)| *of == kind && *value == name);
    known.map_or(place, |(_, _, number)| *number)
}
