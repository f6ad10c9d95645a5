//! Up, up again, changed, down.

use super::*;

#[test]
fn a_star_comes_up_carries_traffic_and_goes_without_a_trace() {
    alone(|| {
        let before = snapshot();
        let star = star(3);
        assert!(up(&star).unwrap() > 10);
        talks(("bed-n1", "10.0.0.1"), ("bed-n3", "10.0.0.3"));
        talks(("bed-n1", "fd00::1"), ("bed-n2", "fd00::2"));
        assert_eq!(steps_left(&star), [] as [String; 0]);
        assert_eq!(up(&star).unwrap(), 0);
        down().unwrap();
        assert_eq!(snapshot(), before);
    });
}
