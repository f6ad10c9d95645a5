//! What is measured of links, against what the file gives them.

use super::{ALL, Other, Party, Resolver};
use crate::diag::Span;
use crate::diag::yard as diag;
use crate::expect::{Family, Metric, Want};
use crate::spec::{ExpectSpec, ProbeSpec};
use crate::state::Impairment;
use crate::yard::gather::{Cast, HOST};

impl Resolver<'_, '_> {
    pub(super) fn links(&mut self, spec: &ExpectSpec) {
        for said in &spec.links {
            let found: Vec<usize> = (0..self.cast.spec.links.len())
                .filter(|link| match said.value == ALL {
                    true => self.is_impaired(*link),
                    false => self.cast.link_name(*link) == said.value,
                })
                .collect();
            if found.is_empty() {
                let names: Vec<String> =
                    (0..self.cast.spec.links.len()).map(|l| self.cast.link_name(l)).collect();
                self.report.push(diag::link_unknown(said, names.iter().map(String::as_str)));
            }
            for link in found {
                self.link(spec, link, said.span);
            }
        }
    }

    pub(super) fn is_impaired(&self, link: usize) -> bool {
        let spec = &self.cast.spec.links[link];
        [&spec.forward, &spec.backward].into_iter().flatten().any(|i| *i != Impairment::default())
    }

    /// Both directions of a link, each against what the file gives it.
    pub(super) fn link(&mut self, spec: &ExpectSpec, link: usize, span: Span) {
        let segment = self.cast.link_segment(link);
        let [first, second] = match &self.cast.members[segment][..] {
            [first, second] => [*first, *second],
            _ => return, // an end is wrong, and reported
        };
        for (sender, receiver) in [(first, second), (second, first)] {
            let party = |i: usize| Party { node: self.cast.interfaces[i].node, interface: Some(i) };
            let (from, to) = (party(sender), party(receiver));
            if from.node == Self::host_node(self.cast) && !self.facts.host_reachable {
                continue; // reported with the link
            }
            let theirs = self.families(to);
            let wanted = |f: &Family| spec.families.as_ref().is_none_or(|s| s.value.contains(f));
            let family = self.families(from).into_iter().find(|f| theirs.contains(f) && wanted(f));
            let label = |i: usize| self.cast.id(i).to_string();
            let (from_label, to_label) = (label(sender), label(receiver));
            let Some(family) = family else {
                self.report.push(diag::no_common_family(&from_label, &to_label, span));
                continue;
            };
            let file = self.cast.interfaces[sender].impairment(self.cast.spec).unwrap_or_default();
            for probe in &spec.probes {
                let is_rate = matches!(probe.value, ProbeSpec::Measure(Metric::Rate, None));
                if is_rate && file.rate == 0 {
                    if spec.links.iter().all(|l| l.value != ALL) {
                        self.report.push(diag::link_without_rate(&from_label, probe.span));
                    }
                    continue;
                }
                let target = self.target(from, &Other::Party(to), &to_label, family);
                let Some(to) = target else { continue };
                let Some(probe) = self.probe(probe, spec, &to, Some(&file)) else { continue };
                let origin = self.origin(from, &from_label, family);
                let want = spec.result.as_ref().map_or(Want::Ok, |want| want.value);
                self.push(spec, origin, to, (family, false), probe, want);
            }
        }
    }

    pub(super) fn host_node(cast: &Cast<'_>) -> usize {
        cast.node(HOST).unwrap_or(usize::MAX)
    }
}
