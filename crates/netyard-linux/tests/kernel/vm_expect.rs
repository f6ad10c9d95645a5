//! Impairments as a yard expects them of itself: measured each way by `prove`,
//! within the tolerance that is stated, and told apart from other ones.

use netyard_core::state::lower;

use crate::bed::isolated;
use crate::probe::{are, meaning, verdicts};

const LINE: &str = "yard: bed
nodes: { a: {}, b: {} }
links:
  - name: line
    ends: [a:x, b:x]
    forward: { delay: 40ms, jitter: 8ms, loss: 5% }
    backward: { delay: 15ms, loss: 1% }
expect:
";

#[test]
#[ignore = "needs the VM tier: netem"]
fn delay_jitter_and_loss_are_measured_each_way() {
    isolated(|bed| {
        let yard = meaning(&format!(
            "{LINE}  - {{ link: line, delay: true, jitter: true, loss: true, tolerance: 20% }}\n"
        ));
        bed.become_state(&lower(&yard));
        are(
            &verdicts(&yard),
            &[
                "ok a:x -> b:x delay IPv4: ",
                "ok a:x -> b:x jitter IPv4: ",
                "ok a:x -> b:x loss IPv4: ",
                "ok b:x -> a:x delay IPv4: ",
                "ok b:x -> a:x jitter IPv4: ",
                "ok b:x -> a:x loss IPv4: ",
            ],
        );
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn a_line_that_is_not_as_expected_is_found_out() {
    isolated(|bed| {
        let yard = meaning(&format!(
            "{LINE}  - {{ from: a, to: b, delay: 15ms, jitter: 0s, loss: 1% }}
  - {{ from: b, to: a, delay: 40ms, jitter: 8ms, loss: 5% }}\n"
        ));
        bed.become_state(&lower(&yard));
        are(
            &verdicts(&yard),
            &[
                "FAIL a -> b delay IPv4: ",
                "FAIL a -> b jitter IPv4: ",
                "FAIL a -> b loss IPv4: ",
                "FAIL b -> a delay IPv4: ",
                "FAIL b -> a jitter IPv4: ",
                "FAIL b -> a loss IPv4: ",
            ],
        );
        bed.clear();
    });
}
