//! The agents that hold a stream to this coordinator, and the checks that they were asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use tokio::sync::{mpsc, oneshot};

use crate::store::KeyId;

/// Messages that wait for one agent to take them; more than a handful means that it does not read.
const WAITING: usize = 8;

/// What the stream of one agent is sent.
/// Boxed: a channel takes room for 32 messages when it is made, and most agents are never asked.
pub(super) type ToAgent = mpsc::Sender<Box<v1::CoordinatorMessage>>;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum AskError {
    #[error("the agent of {0} holds no stream to this coordinator")]
    NotHere(String),
    #[error("the agent does not read what it is sent")]
    Stuck,
    #[error("the agent did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("{0}")]
    Elsewhere(String),
    #[error("the agent's stream ended before it answered")]
    Gone,
}

#[derive(Default)]
pub(super) struct Live {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    streams: HashMap<String, Stream>,
    /// Grows with every stream and every question: names both.
    count: u64,
}

struct Stream {
    number: u64,
    key: KeyId,
    to_agent: ToAgent,
    asked: HashMap<String, oneshot::Sender<v1::AgentReport>>,
}

/// A stream's place among the live ones; what it was pushed out by, if anything.
pub(super) struct Place {
    pub number: u64,
    pub from_core: mpsc::Receiver<Box<v1::CoordinatorMessage>>,
    /// Another stream of the same instance was here until now.
    pub displaced: bool,
}

impl Live {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock; and what is in there is whole between two statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest stream of an instance is its stream: the one before may hang on a connection that nobody has seen die.
    pub fn enter(&self, instance_id: &str, key: KeyId) -> Place {
        let (to_agent, from_core) = mpsc::channel(WAITING);
        let mut inner = self.inner();
        inner.count += 1;
        let number = inner.count;
        let stream = Stream { number, key, to_agent, asked: HashMap::new() };
        let displaced = inner.streams.insert(instance_id.to_owned(), stream).is_some();
        Place { number, from_core, displaced }
    }

    /// Whether the place was still the stream's own.
    pub fn leave(&self, instance_id: &str, number: u64) -> bool {
        let mut inner = self.inner();
        let is_own = inner.streams.get(instance_id).is_some_and(|stream| stream.number == number);
        if is_own {
            inner.streams.remove(instance_id);
        }
        is_own
    }

    /// Ends the stream of an instance whose certificate counts no longer.
    pub fn end(&self, instance_id: &str) {
        self.inner().streams.remove(instance_id);
    }

    pub fn len(&self) -> usize {
        self.inner().streams.len()
    }

    /// Takes the place from each stream and tells it to come back after `pause`.
    pub fn send_away(&self, pause: impl Fn(usize) -> Duration) {
        let streams = std::mem::take(&mut self.inner().streams);
        for (place, stream) in streams.into_values().enumerate() {
            let after = u64::try_from(pause(place).as_millis()).unwrap_or(u64::MAX);
            let message =
                v1::CoordinatorMessage { message: Some(v1::coordinator_message::Message::ComeBackAfterMs(after)) };
            // One that does not read learns it from the end of the stream.
            let _ = stream.to_agent.try_send(Box::new(message));
        }
    }

    /// Asks an agent to look now for `budget`, and waits for its report for `patience`.
    pub async fn ask(
        &self,
        instance_id: &str,
        attempt: &Attempt,
        budget: Duration,
        patience: Duration,
    ) -> Result<(v1::AgentReport, KeyId), AskError> {
        let (answer, answered) = oneshot::channel();
        let (number, request_id, key) = {
            let mut inner = self.inner();
            inner.count += 1;
            let request_id = inner.count.to_string();
            let stream = inner.streams.get_mut(instance_id).ok_or_else(|| AskError::NotHere(instance_id.to_owned()))?;
            let budget_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
            let check = v1::CheckRequest { request_id: request_id.clone(), attempt: Some(attempt.into()), budget_ms };
            let message = v1::CoordinatorMessage { message: Some(v1::coordinator_message::Message::Check(check)) };
            stream.to_agent.try_send(Box::new(message)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AskError::Stuck,
                mpsc::error::TrySendError::Closed(_) => AskError::Gone,
            })?;
            stream.asked.insert(request_id.clone(), answer);
            (stream.number, request_id, stream.key)
        };
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(report)) => Ok((report, key)),
            Ok(Err(_)) => Err(AskError::Gone),
            Err(_) => {
                let mut inner = self.inner();
                if let Some(stream) = inner.streams.get_mut(instance_id).filter(|stream| stream.number == number) {
                    stream.asked.remove(&request_id);
                }
                Err(AskError::Late(patience))
            }
        }
    }

    /// Hands an answer to who asked; false when nobody did, or no longer.
    pub fn answered(&self, instance_id: &str, number: u64, answer: v1::CheckAnswer) -> bool {
        let Some(report) = answer.report else { return false };
        let mut inner = self.inner();
        let stream = inner.streams.get_mut(instance_id).filter(|stream| stream.number == number);
        let asked = stream.and_then(|stream| stream.asked.remove(&answer.request_id));
        asked.is_some_and(|asked| asked.send(report).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "i-0123456789abcdef0";
    const BUDGET: Duration = Duration::from_secs(3);

    fn attempt() -> Attempt {
        Attempt::usual()
    }

    async fn request(place: &mut Place) -> v1::CheckRequest {
        match place.from_core.recv().await.and_then(|message| message.message) {
            Some(v1::coordinator_message::Message::Check(check)) => check,
            other => panic!("no check was asked for: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_check_is_answered_by_the_stream_that_was_asked() {
        let live = Live::default();
        let mut place = live.enter(ID, [1; 32]);
        let answering = async {
            let check = request(&mut place).await;
            assert_eq!(check.budget_ms, 3_000);
            let report = v1::AgentReport { agent_version: "x".to_owned(), ..Default::default() };
            let answer = v1::CheckAnswer { request_id: check.request_id, report: Some(report) };
            assert!(!live.answered("i-other", place.number, answer.clone()));
            assert!(!live.answered(ID, place.number + 1, answer.clone()));
            assert!(live.answered(ID, place.number, answer.clone()));
            assert!(!live.answered(ID, place.number, answer), "an answer counts once");
        };
        let attempt = attempt();
        let (asked, ()) = tokio::join!(live.ask(ID, &attempt, BUDGET, 2 * BUDGET), answering);
        let (report, key) = asked.unwrap();
        assert_eq!((report.agent_version.as_str(), key), ("x", [1; 32]));
    }

    #[tokio::test]
    async fn an_agent_that_does_not_answer_is_late_and_forgotten() {
        let live = Live::default();
        let mut place = live.enter(ID, [1; 32]);
        let patience = Duration::from_millis(1);
        let asked = live.ask(ID, &attempt(), BUDGET, patience).await;
        assert_eq!(asked.unwrap_err(), AskError::Late(patience));
        let check = request(&mut place).await;
        let answer = v1::CheckAnswer { request_id: check.request_id, report: Some(v1::AgentReport::default()) };
        assert!(!live.answered(ID, place.number, answer));
    }

    #[tokio::test]
    async fn the_newest_stream_takes_the_place_and_the_old_one_does_not_leave_it() {
        let live = Live::default();
        let first = live.enter(ID, [1; 32]);
        let second = live.enter(ID, [1; 32]);
        assert!(!first.displaced && second.displaced);
        assert!(!live.leave(ID, first.number));
        assert_eq!(live.len(), 1);
        assert!(live.leave(ID, second.number));
        assert_eq!(live.len(), 0);
    }

    #[tokio::test]
    async fn a_question_ends_with_the_stream() {
        let live = Live::default();
        let place = live.enter(ID, [1; 32]);
        let attempt = attempt();
        let ending = async {
            tokio::task::yield_now().await;
            live.leave(ID, place.number);
        };
        let (asked, ()) = tokio::join!(live.ask(ID, &attempt, BUDGET, 2 * BUDGET), ending);
        assert_eq!(asked.unwrap_err(), AskError::Gone);
        let nobody = live.ask(ID, &attempt, BUDGET, 2 * BUDGET).await;
        assert_eq!(nobody.unwrap_err(), AskError::NotHere(ID.to_owned()));
    }

    #[tokio::test]
    async fn an_agent_that_does_not_read_is_not_waited_for() {
        let live = Live::default();
        let _place = live.enter(ID, [1; 32]);
        let attempt = attempt();
        let mut asked: Vec<_> = Vec::new();
        for _ in 0..WAITING {
            let mut question = Box::pin(live.ask(ID, &attempt, BUDGET, 2 * BUDGET));
            assert!(futures_util::poll!(&mut question).is_pending());
            asked.push(question);
        }
        assert_eq!(live.ask(ID, &attempt, BUDGET, 2 * BUDGET).await.unwrap_err(), AskError::Stuck);
    }

    #[tokio::test]
    async fn all_are_told_when_to_come_back() {
        let live = Live::default();
        let mut place = live.enter(ID, [1; 32]);
        live.send_away(|place| Duration::from_secs(1 + place as u64));
        let told = place.from_core.recv().await.and_then(|message| message.message);
        assert_eq!(told, Some(v1::coordinator_message::Message::ComeBackAfterMs(1_000)));
        assert!(place.from_core.recv().await.is_none(), "nothing else comes");
        assert_eq!(live.len(), 0);
    }
}
