use switchboard_ownership::*;
use switchboard_vocab::SessionRef;
use switchboard_vocab::cluster::Incarnation;
#[derive(Debug)]
pub(crate) struct Machine;
impl Machine {
    pub(crate) fn new(_: Config, _: Incarnation, _: Vec<Held>, _: Position) -> (Self, Vec<Output>) {
        (Self, vec![])
    }
    pub(crate) fn step(&mut self, _: Position, _: Input) -> Vec<Output> {
        vec![]
    }
    pub(crate) fn command(&mut self, _: Position, _: Command) -> Result<Vec<Output>, Refused> {
        Ok(vec![])
    }
    pub(crate) fn renew(&mut self, _: Position, _: Incarnation) -> Vec<Output> {
        vec![]
    }
    pub(crate) fn next_wake(&self) -> Option<Position> {
        None
    }
    pub(crate) fn verdict(&self, _: &SessionRef) -> Verdict {
        Verdict::NotOwned {
            epoch: switchboard_vocab::Epoch(0),
            hint: None,
        }
    }
    pub(crate) fn owned(&self) -> Vec<SessionRef> {
        vec![]
    }
}
