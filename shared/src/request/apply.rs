//! What happens to a request while a change of it is made: states, events, steps, the end.

use jiff::Timestamp;

use super::change::{AppEvent, Change, NewStep, Notice, NoticeKind, StepNumber, Wake};
use super::life::{CONFIRMATION_WINDOW, LifeError, StageInfo, after};
use super::state::{IllegalTransition, Status, Transition};
use super::{Aftercare, Matter, Right};
use crate::evidence::{Actor, Event, Fact, Outcome};
use crate::plan::{Plan, Queue};
use crate::policy::Factor;

impl Change {
    /// As [`Request::accepted`], on a change that has already begun.
    pub fn accept(&mut self, factors: Vec<Factor>, plan: &Plan, now: Timestamp) -> Result<(), LifeError> {
        self.go(Transition::Verify)?;
        self.request.factors.clone_from(&factors);
        let steps = self.plan(plan);
        let actor = self.request.matter.actor();
        self.record(now, actor, Fact::Accepted { factors, steps });
        if plan.is_empty() {
            self.go(Transition::Begin)?;
            self.record(now, Actor::System, Fact::Begun);
            self.complete(now)?;
        }
        Ok(())
    }

    /// As [`Request::confirmation_asked`], on a change that has already begun.
    pub fn ask_to_confirm(&mut self, factors: Vec<Factor>, now: Timestamp) -> Result<(), LifeError> {
        self.go(Transition::AskToConfirm)?;
        self.request.factors.clone_from(&factors);
        self.request.wake = Some(Wake { at: after(now, CONFIRMATION_WINDOW), queue: Queue::Cancel });
        self.record(now, Actor::Subject, Fact::ConfirmationAsked { factors });
        Ok(())
    }

    pub(super) fn go(&mut self, transition: Transition) -> Result<(), IllegalTransition> {
        self.request.status = self.request.status.after(transition)?;
        Ok(())
    }

    pub(super) fn record(&mut self, at: Timestamp, actor: Actor, fact: Fact) {
        let request = &mut self.request;
        // Functions' clocks differ a little; a history that runs backwards would look like a forged one.
        let at = at.max(request.updated_at);
        request.updated_at = at;
        request.events += 1;
        let event = Event::new(request.id.clone(), request.events, at, actor, fact, request.head.clone());
        request.head = event.hash.clone();
        self.events.push(event);
    }

    pub(super) fn notify(&mut self, kind: NoticeKind) {
        if self.request.subject.is_some() {
            let contact = self.request.contact.clone();
            let others = self.request.cancelling.as_ref().map_or_else(Vec::new, |cancelling| cancelling.others.clone());
            self.notices.push(Notice { number: self.request.events, kind, contact, others });
        }
    }

    /// Writes the plan's steps; those of the first stage may begin. Returns how many there are.
    pub(super) fn plan(&mut self, plan: &Plan) -> u16 {
        let mut number = 1;
        for (position, stage) in plan.stages().iter().enumerate() {
            let steps = u16::try_from(stage.works.len()).unwrap_or(u16::MAX);
            let first = StepNumber(number);
            self.request.stages.push(StageInfo { queue: stage.queue, first, steps, remaining: steps });
            for work in &stage.works {
                self.new_steps.push(NewStep {
                    number: StepNumber(number),
                    work: work.clone(),
                    queue: stage.queue,
                    is_ready: position == 0,
                    begins_at: None,
                });
                number += 1;
            }
        }
        self.request.aftercare = plan.aftercare().cloned();
        self.request.wake = Some(Wake { at: self.request.due_at, queue: Queue::Notify });
        number - 1
    }

    /// The first step of the plan begins the work; any other finds it begun.
    pub(super) fn begin_work(&mut self, now: Timestamp) -> Result<(), LifeError> {
        match self.request.status {
            Status::Accepted => {
                self.go(Transition::Begin)?;
                self.record(now, Actor::System, Fact::Begun);
                Ok(())
            }
            Status::InProgress | Status::NeedsAttention => Ok(()),
            from => Err(IllegalTransition { from, transition: Transition::Complete }.into()),
        }
    }

    /// A step of the present stage is over. Returns whether the stage is.
    pub(super) fn count_down(&mut self, step: StepNumber) -> Result<bool, LifeError> {
        let stage = self.request.stages.iter_mut().find(|stage| stage.remaining > 0);
        let stage = stage.ok_or(LifeError::WrongStage(step))?;
        if !(stage.first..StepNumber(stage.first.0 + stage.steps)).contains(&step) {
            return Err(LifeError::WrongStage(step));
        }
        stage.remaining -= 1;
        Ok(stage.remaining == 0)
    }

    /// The next stage may begin if this one is over; after the last the request is complete.
    pub(super) fn go_on(&mut self, stage_done: bool, now: Timestamp) -> Result<(), LifeError> {
        if stage_done {
            self.release_next_stage();
        }
        if self.request.stages.iter().all(|stage| stage.remaining == 0) {
            self.complete(now)?;
        }
        Ok(())
    }

    fn release_next_stage(&mut self) {
        let Some(stage) = self.request.stages.iter().find(|stage| stage.remaining > 0) else {
            return;
        };
        let numbers = (stage.first.0..stage.first.0 + stage.steps).map(StepNumber);
        self.released.extend(numbers.map(|number| (number, stage.queue)));
    }

    pub(super) fn complete(&mut self, now: Timestamp) -> Result<(), LifeError> {
        self.go(Transition::Complete)?;
        let total = &self.request.total;
        // A replay is done in full if it leaves nothing; what is retained is so by the policy.
        let falls_short = match self.request.matter {
            Matter::Replay => total.left_over > 0,
            _ => total.retained > 0 || !self.request.left_out.is_empty() || !self.request.kept.is_empty(),
        };
        let outcome = if falls_short {
            Outcome::Partial
        } else if total.read == 0 && self.request.matter.right().is_some() {
            Outcome::NothingFound
        } else {
            Outcome::Full
        };
        self.request.outcome = Some(outcome);
        self.record(now, Actor::System, Fact::Completed { outcome });
        match self.request.matter {
            Matter::Right(Right::Access | Right::Portability) => self.notify(NoticeKind::PackageReady),
            Matter::Right(Right::AccountCancellation) => {
                self.notify(NoticeKind::Cancelled);
                self.tell_app(AppEvent::Cancelled);
            }
            Matter::Right(_) => self.notify(NoticeKind::Erased),
            Matter::RetentionSweep | Matter::Replay | Matter::ErasedAgain => {}
        }
        self.come_back_for_what_is_held();
        self.end(now);
        self.begin_care(now);
        Ok(())
    }

    /// Drops what is only needed while the request lives; whom it is about is kept if there are re-checks. What a notice
    /// needs of it is copied when the change is written.
    pub(super) fn end(&mut self, now: Timestamp) {
        let request = &mut self.request;
        request.ended_at = Some(now);
        // What keeps something is in `kept`; for the rest it waits no more.
        request.waits_for.clear();
        if request.aftercare.is_none() {
            request.sealed = None;
        }
        request.submission = None;
        if let Some(cancelling) = &mut request.cancelling {
            cancelling.app_user = None;
            cancelling.reminders.clear();
            // One address is enough for what may still be told.
            cancelling.others.clear();
        }
        let is_needed = request.package.is_some() || request.aftercare.as_ref().is_some_and(Aftercare::needs_contact);
        if !is_needed {
            self.request.contact = None;
        }
        let request = &mut self.request;
        request.wake = request
            .package
            .as_ref()
            .filter(|package| !package.deleted)
            .map(|package| Wake { at: package.expires_at, queue: Queue::Export });
    }
}
