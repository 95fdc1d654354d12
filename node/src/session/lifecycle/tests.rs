//! Whatever happens in whatever order, the rules below hold; and the paths a person meets, one by one.

use proptest::prelude::*;
use switchboard_vocab::{Timestamp, UserId};

use super::*;

fn identity() -> Identity {
    Identity {
        phone: UserId::phone("4915112345678").unwrap(),
        lid: None,
        device: 3,
        push_name: None,
        platform: None,
    }
}

fn qr(text: &str) -> Challenge {
    Challenge::Qr {
        text: text.to_owned(),
        expires_at: Timestamp::from_secs(60),
    }
}

fn at(secs: u64) -> Moment {
    Moment {
        now: Timestamp::from_secs(secs),
        jitter: JITTER_FULL,
    }
}

fn fresh() -> State {
    State::restored(Saved::default(), Timestamp::from_secs(0))
}

fn run(state: State, inputs: &[Input]) -> (State, Vec<Action>) {
    inputs
        .iter()
        .fold((state, Vec::new()), |(state, mut all), input| {
            let (state, actions) = step(state, input.clone(), at(100));
            all.extend(actions);
            (state, all)
        })
}

fn connected() -> State {
    let inputs = [
        START,
        Input::Opened(Some(identity())),
        Input::Syncing(identity()),
        Input::Connected(identity()),
    ];
    run(fresh(), &inputs).0
}

const START: Input = Input::Start { keep_final: false };

fn connects(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|a| matches!(a, Action::Connect { .. }))
        .count()
}

#[test]
fn pairing_leads_to_connected() {
    let (state, actions) = run(
        fresh(),
        &[
            START,
            Input::Opened(None),
            Input::Challenged(qr("a")),
            Input::Paired(identity()),
            Input::Ended(End::Restart),
            Input::Syncing(identity()),
            Input::Connected(identity()),
        ],
    );
    assert_eq!(state.phase, SessionState::Connected);
    assert_eq!(state.identity, Some(identity()));
    assert_eq!(connects(&actions), 2);
    assert!(state.saved().wanted);
}

#[test]
fn a_code_nobody_scans_stops_the_session() {
    let mut state = run(fresh(), &[START]).0;
    for round in 1..=PAIRING_ROUNDS_MAX {
        let (next, actions) = run(
            state,
            &[
                Input::Challenged(qr("a")),
                Input::Ended(End::PairingExpired),
            ],
        );
        state = next;
        assert_eq!(connects(&actions), usize::from(round < PAIRING_ROUNDS_MAX));
    }
    assert_eq!(state.phase, SessionState::Stopped);
    assert!(state.reason.is_some() && !state.wanted);
}

#[test]
fn whatsapp_away_is_a_named_wait_with_a_time() {
    let (state, actions) = run(
        fresh(),
        &[
            START,
            Input::Ended(End::Closed("connection refused".to_owned())),
        ],
    );
    assert_eq!(state.phase, SessionState::Waiting);
    assert_eq!(state.next_try_at, Some(Timestamp::from_secs(101)));
    assert_eq!(state.reason.as_deref(), Some("connection refused"));
    assert!(actions.contains(&Action::RetryAfter(BACKOFF_MIN)));
}

#[test]
fn final_ends_are_never_retried_by_themselves() {
    let ends = [
        (End::LoggedOut("401".to_owned()), SessionState::LoggedOut),
        (
            End::Banned {
                reason: "spam".to_owned(),
                until: None,
            },
            SessionState::Banned,
        ),
        (End::Replaced, SessionState::Replaced),
        (End::Outdated("405".to_owned()), SessionState::Parked),
    ];
    for (end, phase) in ends {
        let (state, actions) = run(
            connected(),
            &[
                Input::Ended(end),
                Input::RetryDue,
                Input::Healthy,
                Input::Start { keep_final: true },
            ],
        );
        let expected = usize::from(phase == SessionState::LoggedOut);
        assert_eq!(connects(&actions), expected, "{phase:?}");
        if expected == 0 {
            assert_eq!(state.phase, phase);
            assert!(state.reason.is_some());
        }
    }
}

#[test]
fn final_states_survive_a_restart_but_an_upgrade_gets_a_chance() {
    let replaced = run(connected(), &[Input::Ended(End::Replaced)]).0;
    let back = State::restored(replaced.saved(), Timestamp::from_secs(0));
    assert_eq!(back.phase, SessionState::Replaced);
    assert!(!back.resumes());
    let outdated = run(
        connected(),
        &[Input::Ended(End::Outdated("405".to_owned()))],
    )
    .0;
    assert!(State::restored(outdated.saved(), Timestamp::from_secs(0)).resumes());
    assert!(State::restored(connected().saved(), Timestamp::from_secs(0)).resumes());
}

#[test]
fn a_start_after_log_out_removes_the_dead_login() {
    let (_, actions) = run(
        connected(),
        &[Input::Ended(End::LoggedOut("401".to_owned())), START],
    );
    assert!(actions.contains(&Action::Connect { fresh: true }));
    let (_, actions) = run(
        connected(),
        &[
            Input::Unlink,
            Input::Ended(End::Stopped),
            Input::Forgotten,
            START,
        ],
    );
    assert!(actions.contains(&Action::Connect { fresh: false }));
}

#[test]
fn unlinking_needs_the_connection_until_the_login_is_gone() {
    let (state, actions) = run(connected(), &[Input::Unlink]);
    assert!(!actions.contains(&Action::Close));
    let (state, actions) = run(state, &[Input::Forgotten]);
    assert!(actions.contains(&Action::Close));
    let (state, _) = run(state, &[Input::Ended(End::Stopped)]);
    assert_eq!(state.phase, SessionState::LoggedOut);
    assert_eq!(state.identity, None);
}

#[test]
fn a_restart_closes_first_and_connects_then() {
    let (state, actions) = run(connected(), &[Input::Restart]);
    assert_eq!(
        (actions.contains(&Action::Close), connects(&actions)),
        (true, 0)
    );
    let (_, actions) = run(state, &[Input::Ended(End::Stopped)]);
    assert_eq!(connects(&actions), 1);
}

#[test]
fn a_loop_of_restart_requests_becomes_a_wait() {
    let mut state = connected();
    for _ in 0..=RESTARTS_MAX {
        state = run(state, &[Input::Ended(End::Restart)]).0;
    }
    assert_eq!(state.phase, SessionState::Waiting);
}

#[test]
fn the_wait_doubles_to_its_limit_and_a_healthy_hour_forgets() {
    assert_eq!(backoff(BACKOFF_MIN, 1, 0), BACKOFF_MIN / 2);
    assert_eq!(backoff(BACKOFF_MIN, 4, JITTER_FULL), BACKOFF_MIN * 8);
    assert_eq!(backoff(BACKOFF_MIN, u32::MAX, JITTER_FULL), BACKOFF_MAX);
    let closed = || Input::Ended(End::Closed("x".to_owned()));
    let up = || Input::Connected(identity());
    let (_, flapping) = run(connected(), &[closed(), Input::RetryDue, up(), closed()]);
    assert!(flapping.contains(&Action::RetryAfter(BACKOFF_MIN * 2)));
    let (_, steady) = run(
        connected(),
        &[closed(), Input::RetryDue, up(), Input::Healthy, closed()],
    );
    assert!(!steady.contains(&Action::RetryAfter(BACKOFF_MIN * 2)));
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Restart),
        Just(End::Closed("closed".to_owned())),
        Just(End::Throttled("429".to_owned())),
        Just(End::PairingExpired),
        Just(End::LoggedOut("401".to_owned())),
        Just(End::Banned {
            reason: "b".to_owned(),
            until: Some(Timestamp::from_secs(9))
        }),
        Just(End::Replaced),
        Just(End::Outdated("405".to_owned())),
        Just(End::Fenced),
        Just(End::Stopped),
    ]
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => any::<bool>().prop_map(|keep_final| Input::Start { keep_final }),
        1 => Just(Input::Stop),
        1 => Just(Input::Restart),
        1 => Just(Input::Park("crashed 11 times".to_owned())),
        1 => Just(Input::Unlink),
        1 => Just(Input::Forgotten),
        2 => Just(Input::Opened(None)),
        2 => Just(Input::Opened(Some(identity()))),
        2 => "[ab]".prop_map(|text| Input::Challenged(qr(&text))),
        2 => Just(Input::Paired(identity())),
        2 => Just(Input::Syncing(identity())),
        2 => Just(Input::Connected(identity())),
        1 => Just(Input::PairingFailed("no".to_owned())),
        6 => any_end().prop_map(Input::Ended),
        3 => Just(Input::RetryDue),
        1 => Just(Input::Healthy),
    ]
}

/// The world the actor makes around the function: one connection, one timer.
#[derive(Debug, Default)]
struct World {
    link: bool,
    retry: bool,
}

impl World {
    fn obey(&mut self, action: &Action) {
        match action {
            Action::Connect { .. } => {
                assert!(!self.link, "a second connection");
                self.link = true;
            }
            Action::Close => assert!(self.link, "closed what was not open"),
            Action::RetryAfter(delay) => {
                assert!(*delay >= BACKOFF_MIN / 2 && *delay <= BACKOFF_MAX);
                self.retry = true;
            }
            Action::HealthyAfter(_) | Action::CancelTimer => self.retry = false,
            Action::Save | Action::Emit(_) => {}
        }
    }
}

fn check(state: &State, world: &World, input: &Input, before: &State, actions: &[Action]) {
    assert_eq!(state.has_link(), world.link);
    assert_eq!(
        state.next_try_at.is_some(),
        state.phase == SessionState::Waiting
    );
    assert_eq!(
        world.retry,
        state.phase == SessionState::Waiting,
        "a wait has its timer"
    );
    let running = matches!(
        state.phase,
        SessionState::Starting
            | SessionState::Pairing
            | SessionState::Connecting
            | SessionState::Syncing
            | SessionState::Connected
    );
    assert!(
        !running || world.link,
        "{:?} without a connection",
        state.phase
    );
    if state.challenge.is_some() {
        assert_eq!(state.phase, SessionState::Pairing);
    }
    let asked = matches!(input, Input::Start { .. } | Input::Restart);
    if is_final(before.phase) && !before.has_link() && !asked {
        assert_eq!(connects(actions), 0, "left a final state by itself");
    }
    let told = actions.iter().any(|a| {
        matches!(a, Action::Emit(event) if matches!(
            &**event,
            Event::Sessions(SessionEvent::StateChanged(c))
                if c.from == before.phase && c.to == state.phase
        ))
    });
    assert_eq!(
        told,
        state.phase != before.phase,
        "every change of state is told once"
    );
    if state.saved() != before.saved() {
        assert!(actions.contains(&Action::Save));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_hold_whatever_happens(
        inputs in proptest::collection::vec((any_input(), 0..=JITTER_FULL), 1..80)
    ) {
        let mut state = fresh();
        let mut world = World::default();
        for (secs, (input, jitter)) in inputs.into_iter().enumerate() {
            // The actor reports an end only of a connection that it made, and a retry only when its timer ran out.
            if matches!(input, Input::Ended(_)) && !world.link {
                continue;
            }
            if matches!(input, Input::RetryDue) {
                if !world.retry { continue; }
                world.retry = false;
            }
            if matches!(input, Input::Ended(_)) {
                world.link = false;
            }
            let moment = Moment { now: Timestamp::from_secs(secs as u64), jitter };
            let before = state.clone();
            let (next, actions) = step(state, input.clone(), moment);
            for action in &actions {
                world.obey(action);
            }
            check(&next, &world, &input, &before, &actions);
            state = next;
        }
    }

    #[test]
    fn stop_brings_every_session_to_rest(
        inputs in proptest::collection::vec(any_input(), 0..40)
    ) {
        let mut state = fresh();
        for input in inputs.into_iter().chain([Input::Stop]) {
            state = step(state, input, at(1)).0;
        }
        if state.has_link() {
            state = step(state, Input::Ended(End::Stopped), at(2)).0;
        }
        prop_assert!(!state.has_link());
        prop_assert!(state.phase == SessionState::Stopped || is_final(state.phase));
        prop_assert!(!state.wanted);
    }
}
