use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netyard_core::expect::{Expectation, Seen, matrix, matrix_tcp};
use netyard_core::yard::Yard;
use netyard_linux::Access;
use netyard_linux::probe::{Book, Reach, Spaces, prove, sweep};

use crate::cli::FileOption;
use crate::error::{Error, Kind, Result, errno_text};
use crate::live::{self, Meeting};
use crate::load::File;
use crate::trial::matrix::Matrix;
use crate::trial::{Outcome, Trial};
use crate::ui;

/// Prove what the file expects of the running yard
///
/// Sends every probe of `expect:` from inside its node, all at once, and says
/// what came of it. What is to work is tried until it does, for 5 seconds at
/// most; what is to be blocked must stay so for a second. Ends with 3 when
/// something is not as expected.
#[derive(Debug, clap::Args)]
pub struct Test {
    #[command(flatten)]
    file: FileOption,
    /// Only expectations with this in their name, ends or probe; with --matrix, only these nodes
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Write the results as JSON
    #[arg(long)]
    json: bool,
    /// Write the results in the Test Anything Protocol
    #[arg(long, conflicts_with_all = ["json", "matrix"])]
    tap: bool,
    /// Write the results as JUnit's XML into this file, too
    #[arg(long, value_name = "FILE", conflicts_with = "matrix")]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Show each of many expectations, not only those that failed
    #[arg(short, long)]
    all: bool,
    /// Show who reaches whom instead: every node pings every other one
    #[arg(long)]
    matrix: bool,
    /// With --matrix: connect to this TCP port, where netyard listens if nothing else does
    #[arg(long, value_name = "PORT", requires = "matrix")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    tcp: Option<u16>,
}

/// Proves all that a yard expects which has just been brought up.
pub fn prove_now(option: FileOption, file: &File, met: &mut Meeting) -> Result {
    let (words, junit, tcp) = (Vec::new(), None, None);
    let (json, tap, all, matrix) = (false, false, false, false);
    Test { file: option, words, json, tap, junit, all, matrix, tcp }.prove(file, met)
}

/// How long a matrix waits for the slowest answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Test {
    /// Does it.
    pub fn run(self) -> Result {
        let file = File::read(&self.file.origin())?;
        let name = &file.spec.yard.value;
        live::must_be_up(name)?;
        let mut met = Meeting::of(&file, Access::Read)?;
        if met.seen.state.is_empty() {
            return Err(live::not_up(name));
        }
        if !met.plan.is_empty() {
            ui::warn("the running yard is not what the file says: `netyard plan` shows how");
        }
        if self.matrix {
            let spaces = met.session.spaces()?;
            return self.show_matrix(&met.yard, &spaces);
        }
        self.prove(&file, &mut met)
    }

    fn prove(&self, file: &File, met: &mut Meeting) -> Result {
        let spaces = met.session.spaces()?;
        let trial = self.trial(file, &met.yard, &spaces)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        met.session.note_trial(trial.to_note(now.as_secs_f64()), !self.words.is_empty())?;
        self.show(&trial)
    }

    fn trial<'y>(&self, file: &'y File, yard: &'y Yard, spaces: &Spaces) -> Result<Trial<'y>> {
        let expected: Vec<&Expectation> =
            yard.expectations.iter().filter(|e| self.is_wanted(e)).collect();
        if expected.is_empty() {
            return Err(self.nothing(yard));
        }
        let began = Instant::now();
        let sightings = prove(spaces, &book(yard), &expected, &|| {})?;
        let outcomes = expected.into_iter().zip(sightings);
        let outcomes = outcomes.map(|(e, sighting)| Outcome::new(e, sighting)).collect();
        let took = began.elapsed();
        Ok(Trial { yard: yard.name.as_str(), sources: &file.sources, outcomes, took })
    }

    fn show(&self, trial: &Trial<'_>) -> Result {
        if let Some(path) = &self.junit {
            std::fs::write(path, trial.junit()).map_err(|error| {
                let why = errno_text(&error);
                Error::failed(format!("could not write `{}`: {why}", path.display()))
            })?;
        }
        if self.json {
            ui::print_json(&trial.json())?;
        } else if self.tap {
            ui::print(&trial.tap())?;
        } else {
            ui::print(&trial.text(self.all))?;
            trial.hints(&self.file.again()).iter().for_each(|c| ui::hint(&format!("`{c}`")));
        }
        if trial.counts().failed > 0 { Err(Kind::Differences.into()) } else { Ok(()) }
    }

    /// True when every word of the command line is somewhere in it.
    fn is_wanted(&self, expectation: &Expectation) -> bool {
        let name = expectation.name.as_deref().unwrap_or_default();
        let text = format!("{name} {} {}", expectation.title(), expectation.family);
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(&word.to_lowercase()))
    }

    fn nothing(&self, yard: &Yard) -> Error {
        if yard.expectations.is_empty() {
            return Error::failed("this yard expects nothing: its file has no `expect:`")
                .hint("write `expect: [ { from: NODE, to: NODE, ping: true } ]`")
                .hint("`netyard test --matrix` shows who reaches whom without");
        }
        let words = self.words.join(" ");
        let all = ui::count(yard.expectations.len(), "expectation");
        Error::failed(format!("none of {all} has `{words}` in it"))
    }

    fn show_matrix(&self, yard: &Yard, spaces: &Spaces) -> Result {
        let named = |word: &String| yard.node(word).is_none();
        if let Some(word) = self.words.iter().find(|word| named(word)) {
            return Err(Error::failed(format!("there is no node `{word}` in this yard")));
        }
        let wanted = |node: &netyard_core::yard::Node| {
            let is_named = self.words.iter().any(|word| word == node.name.as_str());
            self.words.is_empty() || is_named
        };
        let began = Instant::now();
        let (nodes, pairs) = matrix(yard, &wanted);
        if nodes.len() < 2 {
            let only = nodes.first().map_or("no node", |node| node.name.as_str());
            let error =
                Error::failed(format!("who reaches whom takes two nodes, and this is `{only}`"));
            return Err(error.hint("name another one, or none for all: `netyard test --matrix`"));
        }
        let reached = match self.tcp {
            None => {
                let places: Vec<_> = nodes.iter().map(|node| node.place.clone()).collect();
                sweep(spaces, &places, &pairs, PATIENCE)?
            }
            Some(port) => {
                let within = PATIENCE.as_nanos() as u64;
                let all: Vec<Expectation> =
                    pairs.iter().map(|pair| matrix_tcp(&nodes, pair, port, within)).collect();
                let all: Vec<&Expectation> = all.iter().collect();
                let seen = prove(spaces, &book(yard), &all, &|| {})?;
                seen.into_iter().map(|sighting| reach(&sighting.seen)).collect()
            }
        };
        let probe = self.tcp.map_or_else(|| "ping".to_owned(), |port| format!("tcp {port}"));
        let answers = pairs.into_iter().zip(reached).collect();
        let took = began.elapsed();
        let matrix = Matrix { yard: yard.name.as_str(), probe, nodes, answers, took };
        if self.json { ui::print_json(&matrix.json()) } else { ui::print(&matrix.text()) }
    }
}

/// What a probe of a matrix saw, in short.
fn reach(seen: &Seen) -> Reach {
    match seen {
        Seen::Reply(_) => Reach::Yes,
        Seen::Refused(_) => Reach::Rejected,
        Seen::NoWay(_) | Seen::Unsent(_) => Reach::NoWay,
        _ => Reach::Silent,
    }
}

/// What each node knows of names.
fn book(yard: &Yard) -> Book {
    let mut book = Book::default();
    for node in &yard.nodes {
        for (file, text) in &node.files {
            book.insert(&node.place, file, text);
        }
    }
    book
}
