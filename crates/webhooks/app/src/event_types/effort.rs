//! The work of checking data against a schema.
//!
//! A schema of a few lines can require unlimited work: thirty parts in a row that each refer to the next
//! one twice are visited a thousand million times. So the visits are counted before a schema is accepted:
//! how often one place in the data is visited at most, whatever the data.

/// The maximum number of visits of one place, in steps; see [`Part::own`].
const MAX_VISITS: u64 = 500;

/// The maximum depth of data; the API accepts no deeper data.
const MAX_DEPTH: usize = 100;

/// A part of a schema that is a schema itself.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The steps of applying it to a value, without its patterns and the parts that it applies.
    pub(super) own: u64,
    /// The steps of its patterns for each byte of the value.
    pub(super) patterns: u64,
    /// The parts that it applies to the same value.
    pub(super) same: Vec<usize>,
    /// The parts that it applies to the members or elements of the value.
    pub(super) steps: Steps,
}

/// The parts that are applied to the members or elements of a value.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Each is applied to the member of one name.
    pub(super) one_member: Vec<usize>,
    /// Each may be applied to every member.
    pub(super) every_member: Vec<usize>,
    /// Each is applied to the element at one position.
    pub(super) one_element: Vec<usize>,
    /// Each may be applied to every element.
    pub(super) every_element: Vec<usize>,
}

/// Returns the maximum number of visits of any place by the first of the parts. A part counts as `steps_of`
/// says.
///
/// # Errors
///
/// Returns the part that makes too many visits necessary, and the reason.
pub(super) fn visits(parts: &[Part], steps_of: fn(&Part) -> u64) -> Result<u64, (usize, &'static str)> {
    let order = inner_first(parts)?;
    // The visits of a place that many levels below the one to which a part, the index, is applied.
    let mut above = vec![0; parts.len()];
    let mut most = 0;
    for level in 0..=MAX_DEPTH {
        let mut here = vec![0_u64; parts.len()];
        for part in &order {
            let Part { same, steps, .. } = &parts[*part];
            let own = if level == 0 { steps_of(&parts[*part]).max(1) } else { steps.most(&above) };
            let same = same.iter().map(|other| here[*other]);
            here[*part] = same.fold(own, u64::saturating_add);
        }
        most = most.max(here.first().copied().unwrap_or(0));
        if most > MAX_VISITS {
            return Err((
                0,
                "requires too much work: its subschemas apply too many others to one value, or each other repeatedly",
            ));
        }
        if here.iter().all(|visits| *visits == 0) {
            break;
        }
        above = here;
    }
    Ok(most)
}

impl Steps {
    /// Returns the maximum number of visits of one place a level below.
    fn most(&self, below: &[u64]) -> u64 {
        let most = |parts: &[usize]| parts.iter().map(|part| below[*part]).max().unwrap_or(0);
        let sum = |parts: &[usize]| parts.iter().map(|part| below[*part]).fold(0, u64::saturating_add);
        let of_object = most(&self.one_member).saturating_add(sum(&self.every_member));
        let of_array = most(&self.one_element).saturating_add(sum(&self.every_element));
        of_object.max(of_array)
    }
}

/// Returns the parts in an order in which each follows those that it applies to the same value; fails with
/// a part that applies itself.
fn inner_first(parts: &[Part]) -> Result<Vec<usize>, (usize, &'static str)> {
    let mut applied_by = vec![0_usize; parts.len()];
    for other in parts.iter().flat_map(|part| &part.same) {
        applied_by[*other] += 1;
    }
    let mut order: Vec<usize> = (0..parts.len()).filter(|part| applied_by[*part] == 0).collect();
    let mut next = 0;
    while let Some(part) = order.get(next) {
        next += 1;
        for other in &parts[*part].same {
            applied_by[*other] -= 1;
            if applied_by[*other] == 0 {
                order.push(*other);
            }
        }
    }
    if let Some(part) = applied_by.iter().position(|count| *count > 0) {
        return Err((part, "is applied to the same value repeatedly: its references form a cycle"));
    }
    order.reverse();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(parts: &[Part]) -> Result<u64, (usize, &'static str)> {
        super::visits(parts, |part| part.own)
    }

    fn part(same: &[usize], one_member: &[usize], every_member: &[usize]) -> Part {
        let steps =
            Steps { one_member: one_member.into(), every_member: every_member.into(), ..Steps::default() };
        Part { own: 1, same: same.into(), steps, ..Part::default() }
    }

    #[test]
    fn visits_of_one_value_add_up() {
        let parts = [part(&[1, 2], &[], &[]), part(&[2], &[], &[]), part(&[], &[], &[])];
        assert_eq!(visits(&parts), Ok(4));
    }

    #[test]
    fn members_of_different_names_are_different_places() {
        let parts = [part(&[], &[1, 2], &[]), part(&[], &[], &[]), part(&[3], &[], &[]), part(&[], &[], &[])];
        assert_eq!(visits(&parts), Ok(2));
        let parts = [part(&[], &[1], &[1, 1]), part(&[], &[], &[])];
        assert_eq!(visits(&parts), Ok(3));
    }

    #[test]
    fn a_recursive_tree_is_visited_once() {
        assert_eq!(visits(&[part(&[], &[0, 0], &[])]), Ok(1));
    }

    #[test]
    fn multiplying_visits_are_refused() {
        // Each level is visited twice as often as the one above.
        assert!(visits(&[part(&[], &[], &[0, 0])]).is_err());
        // Each part applies the next one twice.
        let chain: Vec<_> =
            (1..40).map(|next| part(&[next, next], &[], &[])).chain([part(&[], &[], &[])]).collect();
        assert!(visits(&chain).is_err());
    }

    #[test]
    fn a_cycle_is_refused() {
        assert_eq!(visits(&[part(&[1], &[], &[]), part(&[1], &[], &[])]).unwrap_err().0, 1);
    }
}
