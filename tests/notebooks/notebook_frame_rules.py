# ruff: noqa: D401  (the docstring of a rule gives its reason)
"""Rules for the frame of a lesson: what each lesson has, and in which order.

A rule is a function of a `Lesson` that returns a list of problems, empty if there is none.
"""

import ast
import re
from urllib.parse import unquote

from lesson import anchor, calls, headings, links, place, printed, python_tree, tags

LEAD_INS = [
    "**The question.**",
    "**After this notebook you can**",
    "**You need**",
    "**Time**",
    "**Contents**",
]
CLOSING_SECTIONS = [
    "When this fails",
    "Exercises",
    "Questions",
    "What we saw",
    "Words",
    "References",
]
EXERCISES = ["Easy", "Medium", "Open"]
MAX_IMPORTS = 9  # one for each room that learners use
FACE = re.compile(r"course_utils\.(?:(?!exercises\b|project\b)\w+|exercises\.\w+)")
# Beginners, who wrote their predictions down, took 20 to 25 minutes for 1,663 words and 93 lines of
# code (lesson 00, as it was), 75 to 90 for 2,805 and 352 (04, as it was), 90 for 2,213 and 255
# (04), and 105 for 2,861 and 346 (02). The rule gives 31, 96, 71 and 95.
WORDS_A_MINUTE, LINES_A_MINUTE = 160, 4.5
READING_TIME = re.compile(r"\bto read (\d+)(?: to (\d+))? min\b")
WEB_ADDRESS = re.compile(r"https?://\w\S*\.\w|\bdoi:10\.\d|\barXiv:\d|\bISBN\b")


def first_cell_says_what_to_expect(lesson):
    """Question, aims, requirements, minutes and contents, in this order."""
    source = lesson.cells[0].source if lesson.cells else ""
    missing = [f"the first cell lacks {words}" for words in LEAD_INS if words not in source]
    if missing:
        return missing
    places = [source.index(words) for words in LEAD_INS]
    if places != sorted(places):
        return [f"the first cell has another order than {' '.join(LEAD_INS)}"]
    time = source[places[3] : places[4]]
    return [] if re.search(r"\d\s*min", time) else ["**Time** in the first cell gives no minutes"]


def reading_time_is_that_of_a_beginner(lesson):
    """Who plans half an hour must not need two: the stated minutes follow the length."""
    first = lesson.cells[0].source if lesson.cells else ""
    stated = READING_TIME.search(first)
    if not stated:
        return ["the first cell does not say: **Time** to read N min"]
    minutes = minutes_to_read(lesson)
    margin = max(0.2 * minutes, 3)
    if all(abs(int(end) - minutes) <= margin for end in stated.groups() if end):
        return []
    return [f"{stated.group()}: by its length it takes about {minutes:.0f}, give or take 20 %"]


def minutes_to_read(lesson):
    """Estimate how long a beginner reads from the first section up to the exercises.

    The frame around that is passed over (contents, imports), practised, or looked up.
    """
    words = lines = 0
    for section in lesson.sections:
        if section.title == "Exercises":
            break
        words += len(section.text.split())
        sources = [cell.source for cell in section.code_cells]
        lines += sum(bool(line.strip()) for source in sources for line in source.splitlines())
    return words / WORDS_A_MINUTE + lines / LINES_A_MINUTE


def contents_link_to_all_sections(lesson):
    """The contents of the first cell are a complete map."""
    targets = {unquote(target) for target in links(lesson.cells[0].source)}
    wanted = [f"#{anchor(section.title)}" for section in lesson.sections]
    return [f"**Contents** has no link to {target}" for target in wanted if target not in targets]


def second_code_cell_is_settings(lesson):
    """All numbers that a reader may change are in one place, and the seed is fixed there."""
    if len(lesson.code_cells) < 2:
        return ["there is no second code cell"]
    cell, problems = lesson.code_cells[1], []
    if "seed_everything" not in calls(cell):
        problems.append(f"{place(lesson, cell)}: no call of seed_everything(")
    if not re.search(r"^[A-Z][A-Z0-9_]+ = ", cell.source, re.MULTILINE):
        problems.append(f"{place(lesson, cell)}: no setting in capitals")
    return problems


def imports_are_in_the_first_code_cell(lesson):
    """A reader sees at once what a lesson uses."""
    importing = [cell for cell in lesson.code_cells if import_nodes(cell)]
    problems = [
        f"{place(lesson, cell)}: import outside the first code cell"
        for cell in importing
        if cell is not lesson.code_cells[0]
    ]
    if not importing or importing[0] is not lesson.code_cells[0]:
        problems.append("the first code cell imports nothing")
    return problems


def imports_come_from_faces(lesson):
    """Lessons say `from course_utils.<room> import ...`: few lines, in the order of the names."""
    nodes = [node for cell in lesson.code_cells for node in import_nodes(cell)]
    modules = [module for node in nodes for module in imported_modules(node)]
    ours = [module for module in modules if module.split(".")[0] == "course_utils"]
    problems = [f"{module} is no face" for module in ours if not FACE.fullmatch(module)]
    if ours != sorted(ours):
        problems.append(f"imports from course_utils are not in the order {sorted(ours)}")
    if len(ours) > MAX_IMPORTS:
        problems.append(f"{len(ours)} imports from course_utils, allowed are {MAX_IMPORTS}")
    return problems


def import_nodes(cell):
    """Return the import statements of a code cell, also those inside a function."""
    try:
        nodes = list(ast.walk(python_tree(cell)))
    except SyntaxError:
        return []
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_modules(node):
    """Return the modules that an import statement names."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    return [alias.name for alias in node.names]


def experiments_make_a_claim(lesson):
    """Where values are measured and not compared, a compared cell must claim a band for them."""
    problems = []
    for section in lesson.sections:
        measured = [cell for cell in section.code_cells if "nbval-ignore-output" in tags(cell)]
        compared = [cell for cell in section.code_cells if cell not in measured]
        if measured and not any("claim" in calls(cell) for cell in compared):
            problems.append(
                f"section {section.title!r} measures, but no compared cell calls claim("
            )
    return problems


def claims_are_about_intervals(lesson):
    """A mean over seeds hides its spread: a claim gets the whole estimate."""
    return [
        f"{place(lesson, cell)}: a claim about .mean; give the Estimate itself"
        for cell in lesson.code_cells
        for value in claimed_values(cell)
        if has_bare_mean(value)
    ]


def claimed_values(cell):
    """Yield the second argument of each call of claim( in a code cell."""
    try:
        nodes = list(ast.walk(python_tree(cell)))
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "claim":
            yield from node.args[1:2]
            yield from (word.value for word in node.keywords if word.arg == "value")


def has_bare_mean(value):
    """Whether an expression reads an attribute `mean`; to call `.mean()` of numbers is another."""
    called = [node.func for node in ast.walk(value) if isinstance(node, ast.Call)]
    return any(
        isinstance(node, ast.Attribute) and node.attr == "mean" and node not in called
        for node in ast.walk(value)
    )


def guesses_are_asked_and_compared(lesson):
    """A guess is made before the run and compared after it; no guess is stored."""
    asked = [n for n, cell in enumerate(lesson.code_cells) if "my_guess = " in cell.source]
    compared = [n for n, cell in enumerate(lesson.code_cells) if "compare_guess" in calls(cell)]
    if not asked and not compared:
        return []
    if len(asked) != len(compared) or any(a >= c for a, c in zip(asked, compared, strict=True)):
        return ["not each 'my_guess = ...' has a later cell that calls compare_guess("]
    cells = lesson.code_cells
    return [
        f"{place(lesson, cells[ask])}: a guess is stored; put three dots, and run it again"
        for ask, compare in zip(asked, compared, strict=True)
        if "my_guess = ..." not in cells[ask].source
        or "No guess made." not in printed(cells[compare])
    ]


def has_closing_sections_in_order(lesson):
    """Each lesson ends in the same way, so a reader finds things without searching."""
    titles = [section.title for section in lesson.sections]
    missing = [
        f"there is no section {title!r}" for title in CLOSING_SECTIONS if title not in titles
    ]
    if missing:
        return missing
    order = [title for title in titles if title in CLOSING_SECTIONS]
    return [] if order == CLOSING_SECTIONS else [f"the order is {order}, not {CLOSING_SECTIONS}"]


def closing_sections_have_text(lesson):
    """A heading alone is not a section."""
    problems = []
    for section in map(lesson.section, CLOSING_SECTIONS):
        lines = [line for line in section.text.splitlines() if line and not line.startswith("#")]
        if not lines:
            problems.append(f"section {section.title!r} has no text")
    return problems


def failure_is_run(lesson):
    """The failure is shown by a run, not told."""
    has_code = lesson.section("When this fails").code_cells
    return [] if has_code else ["section 'When this fails' has no code cell"]


def exercises_are_easy_medium_open(lesson):
    """Each reader finds an exercise at the right height."""
    section = lesson.section("Exercises")
    titles = [title for cell in section.cells for level, title in headings(cell) if level == 3]
    kinds = [title.partition(":")[0] for title in titles if ": " in title]
    missing = [f"no exercise '### {kind}: ...'" for kind in EXERCISES if kind not in kinds]
    in_order = kinds == sorted(kinds, key=lambda kind: [*EXERCISES, kind].index(kind))
    return missing + ([] if in_order else [f"exercises have the order {kinds}"])


def easy_and_medium_have_exercise_and_solution(lesson):
    """An exercise has a cell to work in and a solution that was run."""
    problems = []
    for title, cells in exercise_parts(lesson):
        kind = title.partition(":")[0]
        found = [tag for cell in cells for tag in tags(cell)]
        for tag in ("exercise", "solution"):
            if kind in ("Easy", "Medium") and tag not in found:
                problems.append(f"{title}: no cell tagged {tag!r}")
    return problems


def exercise_parts(lesson):
    """Return (title, cells) for each `###` heading of the exercises."""
    parts = []
    for cell in lesson.section("Exercises").cells:
        titles = [title for level, title in headings(cell) if level == 3]
        if titles:
            parts.append((titles[0], []))
        if parts:
            parts[-1][1].append(cell)
    return parts


def exercises_run_untouched(lesson):
    """An exercise cell checks the answer and says "not attempted" as long as there is none."""
    problems = []
    for cell in lesson.code_cells:
        if "exercise" in tags(cell):
            if "check" not in calls(cell):
                problems.append(f"{place(lesson, cell)}: an exercise that calls no .check(")
            if "not attempted" not in printed(cell):
                problems.append(f"{place(lesson, cell)}: its output is not 'not attempted'")
        elif "check" in calls(cell) and "solution" not in tags(cell):
            problems.append(f"{place(lesson, cell)}: calls .check( and is not tagged 'exercise'")
    return problems


def solutions_are_folded(lesson):
    """A reader must not see a solution by accident, and nothing else may be hidden."""
    problems = []
    for cell in lesson.code_cells:
        is_hidden = bool(cell.metadata.get("jupyter", {}).get("source_hidden"))
        if is_hidden != ("solution" in tags(cell)):
            state = "hidden and not" if is_hidden else "not hidden (jupyter.source_hidden) and"
            problems.append(f"{place(lesson, cell)}: {state} tagged 'solution'")
    return problems


def solutions_are_tested(lesson):
    """A solution shows that it is right: it passes the check, a claim or an assertion."""
    problems = []
    for cell in lesson.code_cells:
        if "solution" in tags(cell):
            if not calls(cell) & {"check", "claim"} and "assert " not in cell.source:
                problems.append(f"{place(lesson, cell)}: no .check(, claim( or assert")
            if re.search("not attempted|not yet", printed(cell), re.IGNORECASE):
                problems.append(f"{place(lesson, cell)}: its own check does not accept it")
    return problems


def answers_are_folded(lesson):
    """A reader can think before the answer is seen."""
    text = lesson.section("Questions").text
    counts = [text.count(tag) for tag in ("<details>", "<summary>", "</summary>", "</details>")]
    if min(counts) == 0 or len(set(counts)) > 1:
        return [f"section 'Questions': <details> and <summary>, opened and closed: {counts}"]
    return []


def references_can_be_followed(lesson):
    """Each reference has a DOI or an address."""
    text = lesson.section("References").text
    items = re.split(r"^(?:[-*]|\d+\.) ", text, flags=re.MULTILINE)[1:]
    if not items:
        return ["section 'References' has no list"]
    lost = [item for item in items if "licen" not in item.lower() and not WEB_ADDRESS.search(item)]
    return [f"no DOI or address: {item.strip()}" for item in lost]


def licences_are_named(lesson):
    """Data and weights of others are used under their terms."""
    has_licence = re.search("licen[cs]e", lesson.section("References").text, re.IGNORECASE)
    return [] if has_licence else ["section 'References' says nothing about licences"]


def progress_is_shown_last(lesson):
    """A learner sees at the end of each lesson what is done so far."""
    last = lesson.code_cells[-1].source if lesson.code_cells else ""
    return [] if last == "progress()" else ["the last code cell is not: progress()"]


def last_cell_leads_on(lesson):
    """The last cell links to the next lesson, or says what comes next if there is none yet."""
    last = lesson.cells[-1]
    following = f"{int(lesson.path.name[:2]) + 1:02d}_"
    later = sorted(path.name for path in lesson.path.parent.glob(f"{following}*.ipynb"))
    if last.cell_type != "markdown" or "next" not in last.source.lower():
        return ["the last cell does not say what comes next"]
    if later and later[0] not in links(last.source):
        return [f"the last cell has no link to {later[0]}"]
    return []


FRAME_RULES = [
    first_cell_says_what_to_expect,
    reading_time_is_that_of_a_beginner,
    contents_link_to_all_sections,
    second_code_cell_is_settings,
    imports_are_in_the_first_code_cell,
    imports_come_from_faces,
    experiments_make_a_claim,
    claims_are_about_intervals,
    guesses_are_asked_and_compared,
    has_closing_sections_in_order,
    closing_sections_have_text,
    failure_is_run,
    exercises_are_easy_medium_open,
    easy_and_medium_have_exercise_and_solution,
    exercises_run_untouched,
    solutions_are_folded,
    solutions_are_tested,
    answers_are_folded,
    references_can_be_followed,
    licences_are_named,
    progress_is_shown_last,
    last_cell_leads_on,
]
