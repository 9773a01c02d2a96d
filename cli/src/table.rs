//! Columns, laid out as Go's `text/tabwriter` does it for docker: at least 10 wide, 3 blanks between, the last one as it is.

const MINIMUM: usize = 10;
const BETWEEN: usize = 3;

/// Lines of cells to text. Each line's last cell is not padded.
pub(crate) fn layout(lines: &[Vec<String>]) -> String {
    wide(lines, MINIMUM)
}

/// The same with columns at least this wide.
pub(crate) fn wide(lines: &[Vec<String>], minimum: usize) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| line.len() > column + 1);
        let widest = cells.map(|line| line[column].chars().count()).max().unwrap_or(0);
        (widest + BETWEEN).max(minimum)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < line.len() {
                let blanks = widths[column] - cell.chars().count();
                text.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn columns_are_as_wide_as_dockers() {
        let lines = [["REPOSITORY", "TAG", "SIZE"], ["grün", "a-long-tag-name", "1.2MB"]];
        let lines: Vec<Vec<String>> =
            lines.iter().map(|line| line.map(str::to_owned).to_vec()).collect();
        assert_eq!(
            layout(&lines),
            "REPOSITORY   TAG               SIZE\n\
             grün         a-long-tag-name   1.2MB\n"
        );
    }

    #[test]
    fn nothing_is_no_lines() {
        assert_eq!(layout(&[]), "");
    }
}
