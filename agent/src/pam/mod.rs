//! What PAM answers sshd about a login, worked out from its rules and from what each module would say. Pure.
//!
//! Source: Linux-PAM, `libpam/pam_dispatch.c`. Only the phases that a login by key runs: account and session, never `auth`.

use std::collections::HashSet;

use crate::facts::PamRule;

mod access;
mod control;
mod expiry;
mod limits;
mod login;
mod modules;
mod reply;
mod time;

pub use control::Return;
pub use expiry::{Expiry, expiry};
pub use login::Login;
pub use modules::replies;
pub use reply::{Concern, Mend, Phase, Reply};

use control::{Action, action};

/// More ways through the rules are not followed; each module whose answer is not known doubles or triples them.
const STEPS: usize = 20_000;

/// What comes of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Admitted,
    /// The user is let in to change the password, and to nothing else. By the rule of this index.
    PasswordDue(usize),
    /// By the rule of this index, where it is known.
    Refused(Option<usize>),
    /// It hangs on these rules, whose modules' answers are not known.
    Unsure(Vec<usize>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Impression {
    Undefined,
    Positive,
    Negative,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// The next rule.
    at: usize,
    level: usize,
    impression: Impression,
    status: Return,
    /// As they were when each substack was entered.
    saved: Vec<(Impression, Return)>,
    /// The rule that turned the answer.
    cause: Option<usize>,
    /// The last rule whose module said no without that deciding anything.
    suspect: Option<usize>,
}

/// What the rules make of what their modules would return: `replies` has one for each rule.
pub fn answer(rules: &[PamRule], replies: &[Reply]) -> Answer {
    let begin = State {
        at: 0,
        level: 0,
        impression: Impression::Undefined,
        status: Return::PermDenied,
        saved: Vec::new(),
        cause: None,
        suspect: None,
    };
    let mut waiting = vec![begin];
    let mut seen = HashSet::new();
    let mut doubts = Vec::new();
    let mut answers = Vec::new();
    while let Some(state) = waiting.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        if seen.len() > STEPS {
            return Answer::Unsure(doubts);
        }
        let (Some(rule), Some(reply)) = (rules.get(state.at), replies.get(state.at)) else {
            let answer = end(&state);
            if !answers.contains(&answer) {
                answers.push(answer);
            }
            continue;
        };
        if reply.returns.len() > 1 && !doubts.contains(&state.at) {
            doubts.push(state.at);
        }
        for returned in &reply.returns {
            waiting.push(step(rules, rule, &state, *returned));
        }
    }
    doubts.sort_unstable();
    match answers.as_slice() {
        [answer] => answer.clone(),
        // One way or another it is refused, by whatever rule.
        answers if answers.iter().all(|answer| matches!(answer, Answer::Refused(_))) => {
            answers.first().cloned().unwrap_or(Answer::Refused(None))
        }
        _ => Answer::Unsure(doubts),
    }
}

fn end(state: &State) -> Answer {
    match (state.status, state.impression) {
        (Return::Success, Impression::Positive) => Answer::Admitted,
        (Return::NewAuthtokReqd, Impression::Positive) => match state.cause {
            Some(cause) => Answer::PasswordDue(cause),
            None => Answer::Refused(None),
        },
        _ => Answer::Refused(state.cause.or(state.suspect)),
    }
}

fn step(rules: &[PamRule], rule: &PamRule, state: &State, returned: Return) -> State {
    let mut next = State { at: state.at + 1, ..state.clone() };
    let level = usize::from(rule.level);
    while next.saved.len() < level {
        next.saved.push((state.impression, state.status));
    }
    if state.level < level
        && let Some(saved) = level.checked_sub(1).and_then(|index| next.saved.get_mut(index))
    {
        *saved = (state.impression, state.status);
    }
    next.level = level;
    if is_substack(rule) {
        return next;
    }
    let chosen = action(rule.control.raw(), returned);
    let is_no = !matches!(returned, Return::Success | Return::NewAuthtokReqd | Return::Ignore);
    match chosen {
        Action::Reset => {
            let saved = level.checked_sub(1).and_then(|index| next.saved.get(index).copied());
            (next.impression, next.status) = saved.unwrap_or((Impression::Undefined, Return::PermDenied));
        }
        Action::Ok | Action::Done => {
            let is_open = next.impression == Impression::Undefined
                || (next.impression == Impression::Positive && next.status == Return::Success);
            if is_open {
                (next.impression, next.status) = (Impression::Positive, returned);
                if returned != Return::Success {
                    next.cause = Some(state.at);
                }
            }
            if next.impression == Impression::Positive && chosen == Action::Done {
                decide(rules, &mut next, level);
            }
        }
        Action::Bad | Action::Die => {
            if next.impression != Impression::Negative {
                next.impression = Impression::Negative;
                next.status = if returned == Return::Ignore { Return::PermDenied } else { returned };
                // `pam_deny` says no to whoever comes so far: what sent them there is the cause.
                let is_deny = rule.module.raw().ends_with("pam_deny.so");
                next.cause = if is_deny { next.suspect.or(Some(state.at)) } else { Some(state.at) };
            }
            if chosen == Action::Die {
                decide(rules, &mut next, level);
            }
        }
        Action::Ignore => {}
        Action::Jump(count) => jump(rules, &mut next, level, count),
    }
    if is_no && matches!(chosen, Action::Ignore | Action::Jump(_)) {
        next.suspect = Some(state.at);
    }
    next
}

/// A decision ends the substack that it falls in, or everything.
fn decide(rules: &[PamRule], next: &mut State, level: usize) {
    while rules.get(next.at).is_some_and(|rule| usize::from(rule.level) >= level) {
        next.at += 1;
    }
}

fn jump(rules: &[PamRule], next: &mut State, level: usize, count: usize) {
    let level_at = |at: usize| rules.get(at).map(|rule| usize::from(rule.level));
    let mut left = count;
    while left > 0 && level_at(next.at).is_some_and(|at| at >= level) {
        next.at += 1;
        // A substack counts as one.
        while level_at(next.at).is_some_and(|at| at > level) {
            next.at += 1;
        }
        left -= 1;
    }
    if left > 0 {
        (next.impression, next.status) = (Impression::Negative, Return::PermDenied);
        next.cause = next.cause.or(next.at.checked_sub(1));
    }
}

fn is_substack(rule: &PamRule) -> bool {
    rule.control.raw().eq_ignore_ascii_case("substack")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[(u8, &str, &str)]) -> Vec<PamRule> {
        let rule = |(level, control, module): &(u8, &str, &str)| PamRule {
            control: (*control).into(),
            module: (*module).into(),
            level: *level,
            ..PamRule::default()
        };
        lines.iter().map(rule).collect()
    }

    fn with(lines: &[(u8, &str, &str)], returns: &[&[Return]]) -> Answer {
        let replies: Vec<Reply> = returns.iter().map(|returns| Reply::of_test(returns)).collect();
        answer(&rules(lines), &replies)
    }

    const DEBIAN: &[(u8, &str, &str)] = &[
        (0, "success=1 new_authtok_reqd=done default=ignore", "pam_unix.so"),
        (0, "requisite", "pam_deny.so"),
        (0, "required", "pam_permit.so"),
    ];
    use Return::*;

    #[test]
    fn a_module_that_jumps_over_a_denial_admits_and_is_named_when_it_does_not() {
        let with_unix = |returned| with(DEBIAN, &[&[returned], &[AuthErr], &[Success]]);
        assert_eq!(with_unix(Success), Answer::Admitted);
        assert_eq!(with_unix(AcctExpired), Answer::Refused(Some(0)));
        assert_eq!(with_unix(NewAuthtokReqd), Answer::PasswordDue(0));
    }

    #[test]
    fn a_doubt_that_changes_nothing_is_none() {
        assert_eq!(with(DEBIAN, &[&[Success, AcctExpired], &[AuthErr], &[Success]]), Answer::Unsure(vec![0]));
        let optional = &[(0, "required", "a"), (0, "optional", "b")];
        assert_eq!(with(optional, &[&[Success], &[Success, PermDenied]]), Answer::Admitted);
        let after = &[(0, "required", "a"), (0, "required", "b")];
        assert_eq!(with(after, &[&[AuthErr], &[Success, PermDenied]]), Answer::Refused(Some(0)));
        assert_eq!(with(after, &[&[Success, AuthErr], &[PermDenied]]), Answer::Refused(Some(0)));
    }

    #[test]
    fn a_sufficient_yes_ends_its_substack_only_and_counts_nothing_after_a_no() {
        let lines = &[(0, "substack", "x"), (1, "sufficient", "a"), (1, "required", "b"), (0, "required", "c")];
        assert_eq!(with(lines, &[&[Success], &[Success], &[AuthErr], &[Success]]), Answer::Admitted);
        assert_eq!(with(lines, &[&[Success], &[Success], &[AuthErr], &[AuthErr]]), Answer::Refused(Some(3)));
        let lines = &[(0, "required", "a"), (0, "sufficient", "b"), (0, "required", "c")];
        assert_eq!(with(lines, &[&[AuthErr], &[Success], &[Success]]), Answer::Refused(Some(0)));
    }

    #[test]
    fn a_jump_takes_a_substack_as_one_and_none_that_leads_out_is_taken() {
        let lines = &[
            (0, "success=1 default=ignore", "a"),
            (0, "substack", "x"),
            (1, "required", "b"),
            (1, "required", "c"),
            (0, "required", "d"),
        ];
        let found = with(lines, &[&[Success], &[Success], &[AuthErr], &[AuthErr], &[Success]]);
        assert_eq!(found, Answer::Admitted);
        assert_eq!(with(&[(0, "success=3", "a")], &[&[Success]]), Answer::Refused(Some(0)));
    }

    #[test]
    fn rules_that_nobody_answers_refuse() {
        assert_eq!(with(&[], &[]), Answer::Refused(None));
        assert_eq!(with(&[(0, "required", "a")], &[&[Ignore]]), Answer::Refused(None));
    }
}
