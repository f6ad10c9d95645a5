use netyard_core::check::{Finding, Phase, Scene, Severity, document, judge};
use netyard_core::facts::Survey;
use netyard_core::yard::Yard;
use netyard_linux::{Access, survey_host};

use crate::cli::YardOptions;
use crate::error::{Kind, Result};
use crate::live::{self, Meeting};
use crate::load::File;
use crate::source::Origin;
use crate::ui::{self, count};

/// Find out what is wrong with the host and the yard
///
/// Names each culprit (the chain that drops the yard's packets, with its handle;
/// the setting; the file), what it means and what to do. With a yard's file, or
/// `--yard`, the yard is looked at in all its namespaces; without one, the host
/// alone. Nothing is changed. Ends with 3 when something is broken now;
/// docs/doctor.md lists all that is looked for.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    yard: YardOptions,
    /// Look at the host alone, whatever file there is
    #[arg(long, conflicts_with_all = ["file", "yard"])]
    host: bool,
    /// Show what is only good to know, too
    #[arg(short, long)]
    all: bool,
    /// Write all of it as JSON
    #[arg(long)]
    json: bool,
}

const BOTH: &[Phase] = &[Phase::Plan, Phase::Running];

impl Doctor {
    /// Does it.
    pub fn run(self) -> Result {
        let (name, yard, survey) = self.look()?;
        let scene = Scene { survey: &survey, yard: yard.as_ref(), phase: Phase::Running };
        let found = judge(&scene, BOTH);
        if self.json {
            ui::print_json(&document(name.as_deref(), &found, &scene))?;
        } else {
            self.show(&found, &survey)?;
        }
        let broken = found.iter().any(|finding| finding.severity == Severity::Error);
        if broken { Err(Kind::Differences.into()) } else { Ok(()) }
    }

    /// What there is, and what is meant where there is a file.
    fn look(&self) -> Result<(Option<String>, Option<Yard>, Survey)> {
        if self.yard.yard.is_some() {
            let name = live::name(&self.yard)?;
            live::must_be_up(&name)?;
            let mut session = live::open(&name, Access::Read)?;
            let survey = session.survey(false)?;
            return Ok((Some(name.to_string()), None, survey));
        }
        let origin = self.yard.file.origin();
        let asked = self.yard.file.file.is_some();
        let there = matches!(&origin, Origin::File(path) if path.exists());
        if self.host || !(asked || there) {
            return Ok((None, None, survey_host()?));
        }
        let file = File::read(&origin)?;
        let mut met = Meeting::of(&file, Access::Read)?;
        let mut survey = met.session.survey(false)?;
        if survey.stacks.is_empty() {
            survey = survey_host()?;
        }
        survey.tunnels = met.session.tunnel_pulses(&met.yard.tunnels)?.into_iter().collect();
        Ok((Some(met.yard.name.to_string()), Some(met.yard), survey))
    }

    fn show(&self, found: &[Finding], survey: &Survey) -> Result {
        let shown = found.iter().filter(|one| self.all || one.severity != Severity::Note);
        let text: String = shown.map(|finding| ui::finding_text(finding) + "\n").collect();
        ui::print(&text)?;
        for (place, stack) in &survey.stacks {
            for (what, why) in &stack.unseen {
                ui::note(&format!("not looked at on `{place}`: {what}: {why}"));
            }
        }
        let number = |severity| found.iter().filter(|one| one.severity == severity).count();
        let parts = [
            (number(Severity::Error), "error"),
            (number(Severity::Warning), "warning"),
            (number(Severity::Note), "note"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| count(number, what))
            .collect();
        let sum = if parts.is_empty() { "nothing wrong".to_owned() } else { parts.join(", ") };
        ui::print(&format!("doctor: {sum}\n"))?;
        if number(Severity::Note) > 0 && !self.all {
            ui::hint("`netyard doctor --all` shows the notes, too");
        }
        Ok(())
    }
}
