"""Every mistake that a person would make in a sheet: its line, and what the message says to write instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from askpix.producer import SheetError, read_questions
from askpix.producer.errors import InputError

KIND = "- name: kind\n  text: what is it?\n  choices: [mug, shirt]\n"
"""Three lines that are right; what comes after them begins in line 4."""


def mistakes(folder: Path, text: str | bytes) -> list[tuple[int, str]]:
    """Returns the lines and messages of what is wrong with a sheet."""
    file = folder / "tags.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SheetError) as caught:
        read_questions(file)
    found = []
    for line in caught.value.mistakes:
        place = re.fullmatch(rf"{re.escape(str(file))}:(\d+): (.+)", line)
        assert place, line
        found.append((int(place[1]), place[2]))
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return found


class Case(NamedTuple):
    sheet: str | bytes
    line: int
    instead: str
    """A regular expression that finds what to write, or do, instead."""


NOT_YAML = [
    Case("- name: kind\n\ttext: what?\n", 2, r"indented with a tab: use ordinary spaces"),
    Case("- name: kind\n  text: what?\n\tchoices: [a, b]\n", 3, r"tab: use ordinary spaces"),
    Case("- name: kind\n  choices:\n\t- a\n\t- b\n", 3, r"tab: use ordinary spaces"),
    Case("-\tname: kind\n\ttext: what?\n", 1, r"tab: use ordinary spaces"),
    Case("- name: a\n\u00a0\u00a0text: b\n", 2, r"U\+00A0\): use ordinary spaces"),
    Case("- name:kind\n  text: what?\n", 1, r"space is missing after the colon: write name: kind$"),
    Case("- name: kind\n  text:what?\n  choices: [a, b]\n", 2, r"write text: what\?$"),
    Case("- name: kind\n  text: w\n  choices:[a, b]\n", 3, r"write choices: \[a, b\]$"),
    Case("- name kind\n  text: what?\n", 1, r"colon is missing after name: write name: kind$"),
    Case("- name: kind\n  text what?\n  choices: [a, b]\n", 2, r"colon is missing after text: write text: what\?$"),
    Case("- name: kind\n  text\n  choices: [a, b]\n", 2, r"colon is missing after text: write text: "),
    Case("- name: kind\n  text: w\n  choices [a, b]\n- name: x\n  text: y\n", 3, r"write choices: \[a, b\]$"),
    Case("- name: kind\n text: what?\n", 2, r"column 2, .*column 3: indent it by 2 spaces"),
    Case("- name: kind\n   text: what?\n", 2, r"column 4, .*column 3: indent it by 2 spaces"),
    Case("- name: kind\n  text: what?\n   choices: [a, b]\n", 3, r"indent it by 2 spaces"),
    Case("- name: kind\n\n# a comment\n text: what?\n", 4, r"indent it by 2 spaces"),
    Case("- name: kind\ntext: what?\n", 2, r"indent it by 2 spaces"),
    Case("- name: kind\n  text: w\n - name: b\n   text: c\n", 3, r"put all dashes of (a|the) list in the same column"),
    Case(
        "  - name: kind\n    text: w\n- name: b\n  text: c\n", 3, r"put all dashes of (a|the) list in the same column"
    ),
    Case("-name: a\n  text: b\n", 1, r"space is missing after the dash: write - name: a$"),
    Case("- name: a\n  text: b\n-name: c\n  text: d\n", 3, r"space is missing after the dash: write - name: c$"),
    Case("-what is it?\n", 1, r"space is missing after the dash: write - what is it\?$"),
    Case('- name: kind\n  text: "what?\n', 2, r'never closed: end the text with "$'),
    Case('- name: kind\n  text: "what?\n  then: "a"\n', 2, r'not closed in this line: end the text with "$'),
    Case("- text: 'what?\n  choices: [a, b]\n- name: c\n  text: 'what'\n", 1, r"end the text with '$"),
    Case("- name: kind\n  text: 'what's on it?'\n", 2, r"""write text: "what's on it\?"$"""),
    Case('- text: "is it?" really\n', 1, r'write text: "is it\? really"$'),
    Case("- name: kind\n  choices: [a, b\n  text: x\n", 2, r"\[ of this line is never closed: write \]"),
    Case("- text: x\n  choices: [a, b\n- name: c\n  text: y\n", 2, r"never closed: write \]"),
    Case("- name: kind\n  choices: [a, b\n", 2, r"never closed: write \]"),
    Case("- text: kind\n  when: {a: b\n  name: x\n", 2, r"\{ of this line is never closed: write \}"),
    Case("- name: kind\n  choices: [a, b}\n", 2, r"write \]$"),
    Case('- text: kind\n  choices: ["a" b, c]\n', 2, r"comma is missing before column 17"),
    Case("- choices: [a,, b]\n", 1, r"two commas follow each other.*leave one out"),
    Case("- text: t\n  choices: [a, b,\n- name: n\n  text: u\n", 2, r"\[ of this line is never closed: write \]"),
    Case("- text: t\n  choices: [a, b]]\n", 2, r"\] in column 18 .*: leave it out"),
    Case("- text: t\n  choices: [a, b] or c\n", 2, r"brackets end before column 19: leave out what comes after"),
    Case("- text: ]what\n", 1, r"\] in column 9 .*put it in quotes, or leave it out"),
    Case("- text: what is\n this?\n", 2, r"'this\?' is no key .*belongs to the text above, indent it by 4 spaces"),
    Case("- text: - what?\n", 1, r"a dash begins an item.*put the text in quotes"),
    Case("- name: p\n  text: {choice} on it?\n", 2, r'in quotes: text: "\{choice\} on it\?"$'),
    Case("- name: kind\n  text: which: red or blue?\n", 2, r'in quotes: text: "which: red or blue\?"$'),
    Case(KIND + "- text: how long?\n  when: kind: shirt\n", 5, r"braces: when: \{kind: shirt\}$"),
    Case("- text: @foo\n", 1, r'in quotes: text: "@foo"$'),
    Case("- text: `foo`\n", 1, r'in quotes: text: "`foo`"$'),
    Case("- %foo\n", 1, r'in quotes: "%foo"$'),
    Case("- text: *foo*\n", 1, r'in quotes: text: "\*foo\*"$'),
    Case("- text: &\n", 1, r"must be in quotes"),
    Case("- text: a\n  choices: [!no, yes]\n", 2, r"begins with ! in quotes"),
    Case("- !!python/object/apply:os.system ['true']\n", 1, r"tag of YAML, which sheets do without"),
    Case("- !!binary aGVsbG8=\n", 1, r"tag of YAML"),
    Case("- text: > foo\n", 1, r"begins in the next line"),
    Case('- "a\\qb"\n', 1, r"write \\\\"),
    Case("%YAML 1.1\n---\n- text: a\n  match: yes\n", 1, r"does without directives: leave this line out"),
    Case("# mine\n%TAG ! tag:yaml.org,2002:\n---\n- a\n", 2, r"leave this line out"),
    Case("- text: !!python/object:os.system ls\n", 1, r"tag of YAML, which sheets do without"),
    Case("- text: which one is it,\n    red: or blue?\n", 1, r"in line 2, where a colon is: .*all of it in quotes$"),
    Case("- name: a\n  text: which is it,\n    or not,\n    is it: blue?\n", 2, r"in line 4, .* in quotes$"),
    Case(
        "- text: \n    which one is it,\n    red: or blue?\n", 1, r"in line 3, where a colon is: .*all of it in quotes$"
    ),
    Case("- which one is it,\n  red: or blue?\n", 1, r"in line 2, where a colon is: .*all of it in quotes$"),
    Case("- text: t\n  map:\n    red: rot\n     blue: blau\n", 4, r"column 6, .*column 5: indent it by 4 spaces"),
    Case("- a\n---\n- b\n", 2, r"leave the line --- out"),
    Case("- a\n- b\x00c\n", 2, r"U\+0000 .*delete it"),
    Case("- text: what is it\n    name:kind\n", 2, r"space is missing after the colon: write name: "),
    Case("- text: a\n  ? [b]\n  : c\n", 2, r"a key is one word"),
    Case("- {<<: 3, text: a}\n", 1, r"<<: \*its-anchor"),
    Case("[" * 5_000, 1, r"nested too deeply: a sheet is a list"),
    Case("&a [*a]", 1, r"nested too deeply, or an alias"),
    Case("- &a " + "[" * 20 + "x" + "]" * 20 + "\n- " + "{text: " * 70 + "a" + "}" * 70, 2, r"nested too deeply"),
    Case(b"- what is it?\n- text: caf\xe9\n", 2, r"another encoding, not UTF-8: save the file as UTF-8"),
    Case("- what is it?\n".encode("utf-16"), 1, r"UTF-16, not UTF-8: save"),
    Case('["\\ud83d"]', 1, r"write the character itself"),
]

NO_LIST = [
    Case("", 1, r'empty: write .*- "what is it\?"$'),
    Case("# nothing yet\n\n", 1, r"empty: write"),
    Case("[]", 1, r"empty: write"),
    Case("{}", 1, r"empty: write"),
    Case("what is it?", 1, r"a list: write - what is it\?$"),
    Case("\n\nname: kind\ntext: what?\n", 3, r"dash before its first key, - name: …"),
    Case("questions:\n- what is it?\n", 1, r"leave the line questions: out"),
    Case("kind:\n  text: what?\n", 1, r"write - name: kind, and below it text: …"),
    Case("-what is it?:\n  a: b\n", 1, r"space is missing after the dash"),
]

KEYS = [
    Case("- text: t\n  choises: [a, b]\n", 2, r"no key 'choises': write choices$"),
    Case("- Text: t\n", 1, r"no key 'Text': write text$"),
    Case("- question: t\n", 1, r"no key 'question': write text$"),
    Case("- text: t\n  options: [a, b]\n", 2, r"no key 'options': write choices$"),
    Case("- text: t\n  if: {a: b}\n", 2, r"write when$"),
    Case("- text: t\n  weight: 3\n", 2, r"no key 'weight'; there are text, name, choices, "),
    Case("- color: {choices: [a, b]}\n  text: t\n", 1, r"write name: color, text: …"),
    Case("- name: kind\n  text: t\n  name: c\n", 3, r"'name' is there twice, first in line 1: leave one out"),
    Case("- name: kind\n  choices: [a, b]\n", 1, r'asks nothing: add .* text: "what is it\?"$'),
    Case("- \n- what is it?\n", 1, r"this item is empty: write a question there"),
    Case("- - what is it?\n", 1, r"leave one dash out"),
    Case("- text:\n", 1, r"text is empty: write a text"),
    Case('- text: " "\n', 1, r"text is empty: write a text"),
    Case('- ""\n', 1, r"a question is empty: write a text"),
    Case("- text: t\n  name:\n", 2, r"name is empty: write a text there, or leave it out"),
    Case("- text: [what is it?]\n", 1, r"not a list: write text: what is it\?$"),
    Case("- text: {choice}\n", 1, r'in quotes: text: "\{choice\}"$'),
    Case("- text: {a: b, c: d}\n", 1, r"text is a text: put it in quotes"),
    Case("- text: null\n", 1, r"null stands for nothing .*in quotes"),
    Case("- text: \u201cwhat is it?\u201d\n", 1, r'curly quotes .* write "what is it\?"$'),
    Case(f"- text: {'q' * 2_001}\n", 1, r"2,001 characters; at most 2,000 .*shorten"),
    Case('- "a\\x07b"\n', 1, r"control character in it: delete it"),
    Case("- text: t\n  match: ja\n", 2, r"write match: true$"),
    Case("- text: t\n  multiple: no\n", 2, r"write multiple: false$"),
    Case('- text: t\n  match: "true"\n', 2, r"without quotes: write match: true$"),
    Case("- text: t\n  match: [true]\n", 2, r"write match: true or false$"),
]

CHOICES = [
    Case("- text: t\n  choices: red, blue\n", 2, r"write choices: \[red, blue\]$"),
    Case("- text: t\n  choices: red/blue\n", 2, r"write choices: \[red, blue\]$"),
    Case("- text: t\n  choices:\n    -red\n    -blue\n", 3, r"put a space after each dash"),
    Case("- text: t\n  choices: {red, blue}\n", 2, r"square brackets: write choices: \[red, blue\]$"),
    Case("- text: t\n  choices: {red: rot, blue: blau}\n", 2, r"choices: \[red, blue\], .* under map"),
    Case("- text: t\n  choices: []\n", 2, r"choices is empty: list two or more, or leave it out"),
    Case("- text: t\n  choices:\n  name: n\n", 2, r"choices is empty: list two or more"),
    Case("- text: t\n  choices: [red]\n", 2, r"'red' is the only choice.*: add others"),
    Case("- text: t\n  choices:\n  - red\n  - blue\n  - red\n", 5, r"'red' is there twice, first in line 3: leave one"),
    Case("- text: t\n  choices: [red, , blue]\n", 2, r"two commas"),
    Case("- text: t\n  choices: [red, ~]\n", 2, r"~ stands for nothing in YAML: put it in quotes"),
    Case("- text: t\n  choices:\n  - red\n  -\n", 4, r"a choice is empty: write"),
    Case("- text: t\n  choices:\n  - red\n  - [blue]\n", 4, r"a choice is one text, not a list"),
    Case(f"- text: t\n  choices: [{', '.join(map(str, range(1_001)))}]\n", 2, r"1,001 choices; at most 1,000"),
    Case(
        "- text: a star?\n  choices: [a, b]\n  multiple: true\n", 1, r"put \{choice\} in it, such as text: \"is there"
    ),
    Case("- text: a {{choice}}?\n  multiple: true\n  choices: [a, b]\n", 1, r"write that for \{\{choice\}\}$"),
    Case("- text: a {Choices}?\n  choices: [a, b]\n  multiple: true\n", 1, r"write that for \{Choices\}$"),
    Case("- text: a {choice}?\n  multiple: true\n", 2, r"multiple needs choices.*: add choices: "),
    Case("- text: a {choice}?\n  choices: [a, b]\n", 1, r"add multiple: true, or ask without it$"),
    Case("- is there a {choice}?\n", 1, r"add multiple: true and choices, or ask without it$"),
    Case("- text: a {choice}?\n  multiple: true\n  choices:\n  - a\n  - b, c\n", 5, r"write 'b, c' without"),
    Case("- text: a {choice}?\n  multiple: true\n  choices: [a, b]\n  map:\n    a: x,y\n", 5, r"write 'x,y' without"),
    Case(
        "- text: a {choice}?\n  multiple: true\n  choices: [a, b]\n  below: 0.4\n  then: not sure, ask\n",
        5,
        r"write 'not sure, ask' without",
    ),
    Case("- text: a mug\n  match: true\n  choices: [a, b]\n", 3, r"choices does not go with match.*leave one"),
    Case("- text: a mug\n  match: true\n  map: {a: b}\n", 3, r"map does not go with match"),
    Case("- text: t\n  choices: [a, b]\n  json_schema: {}\n", 3, r"json_schema does not go with choices"),
]

UNSURE = [
    Case("- text: t\n  below: 40%\n  then: unknown\n", 2, r"write below: 0\.4$"),
    Case("- text: t\n  below: 12,5 %\n  then: unknown\n", 2, r"write below: 0\.125$"),
    Case("- text: t\n  below: 40\n  then: unknown\n", 2, r"write below: 0\.4$"),
    Case("- text: t\n  below: 0,4\n  then: unknown\n", 2, r"with a point .*write below: 0\.4$"),
    Case('- text: t\n  below: "0.4"\n  then: unknown\n', 2, r"without quotes: write below: 0\.4$"),
    Case("- text: t\n  below: low\n  then: unknown\n", 2, r"write below: 0\.4$"),
    Case("- text: t\n  below: 0\n  then: unknown\n", 2, r"over 0 and up to 1: write below: 0\.4, or leave it out"),
    Case("- text: t\n  below: -0.4\n  then: unknown\n", 2, r"over 0 and up to 1"),
    Case("- text: t\n  below: .nan\n  then: unknown\n", 2, r"over 0 and up to 1"),
    Case("- text: t\n  below: 400%\n  then: unknown\n", 2, r"write below: 0\.4"),
    Case("- text: t\n  below: [0.4]\n  then: unknown\n", 2, r"write below: 0\.4$"),
    Case("- text: t\n  below: 0.4\n", 2, r"below needs then.*: add then: unknown$"),
    Case("- text: t\n  then: unknown\n", 2, r"then needs below.*: add below: 0\.4$"),
    Case("- text: t\n  below: 0.4\n  then:\n", 3, r"then is empty: write"),
]

TERMS = [
    Case(KIND + "  map:\n    mgu: cup\n", 5, r"'mgu', which is none of the choices: write mug$"),
    Case(KIND + "  map: {lamp: Lampe}\n", 4, r"the choices are 'mug', 'shirt'$"),
    Case(KIND + "  map: [mug, cup]\n", 4, r"write map: \{gray: grey, wooden: wood\}$"),
    Case(KIND + "  map: {}\n", 4, r"map is empty: write map: .*or leave it out"),
    Case(KIND + "  map: {mug: }\n", 4, r"term for 'mug' is empty: write"),
    Case(KIND + "  map: {mug:cup, shirt: top}\n", 4, r"space is missing after the colon: write mug: cup$"),
    Case(KIND + "  map:\n    mug: cup\n    mug: Tasse\n", 6, r"map: 'mug' is there twice, first in line 5"),
    Case(KIND + "  calibration:\n    shifts: {mugs: 0.1}\n", 5, r"calibration names 'mugs'.*: write mug$"),
    Case(KIND + "  calibration: {temprature: 2}\n", 4, r"no key 'temprature': write temperature$"),
    Case(KIND + "  calibration: {temperature: 0}\n", 4, r"0\.001 to 1,000: write temperature: 1\.0$"),
    Case(KIND + "  calibration: {temperature: 0.0005}\n", 4, r"0\.001 to 1,000: write temperature: 1\.0$"),
    Case("- text: t\n  map: {Gray: grey, gray: silver}\n", 2, r"'gray' and 'Gray' in line 2 are one word.*: leave one"),
    Case("- text: t\n  json_schema: {type: string, pattern: '('}\n", 2, r"no regular expression .*put \\ before"),
    Case("- text: t\n  json_schema: {patternProperties: {'[a': {}}}\n", 2, r"no regular expression"),
    Case(KIND + "  calibration: {shifts: {mug: much}}\n", 4, r"shift of 'mug' is a number, .*write 0\.1$"),
    Case(KIND + "  calibration: 1.5\n", 4, r"temperature and shifts, as askpix calibrate writes them"),
    Case(KIND + "  calibration: {whole: {shift: 1}}\n", 4, r"whole is for answers of which each choice.*leave it out$"),
    Case(KIND + "  calibration: {whole: 2}\n", 4, r"whole has a temperature and a shift, .*leave it out$"),
    Case(KIND + "  calibration: {whole: {shifts: 1}}\n", 4, r"whole has no key 'shifts': write shift$"),
    Case(KIND + "  calibration: {whole: {shift: x}}\n", 4, r"the shift of the whole is a number, .*write 0\.1$"),
    Case(KIND + "  calibration: {whole: {temperature: 0}}\n", 4, r"0\.001 to 1,000: write temperature: 1\.0$"),
    Case("- text: t\n  calibration: {temperature: 2}\n", 2, r"leave it out, or add choices$"),
    Case(KIND + "- text: t\n  json_schema: {type: objct}\n", 5, r"no type 'objct': write type: object$"),
    Case("- text: t\n  json_schema:\n    type: object\n    properties: [a]\n", 4, r"write properties: \{kind: "),
    Case("- text: t\n  json_schema:\n    properties:\n      a: string\n", 4, r"write a: \{type: string\}$"),
    Case(
        "- text: t\n  json_schema:\n    type: string\n    pattern: 'a{3,2}'\n", 4, r"no regular expression \(min repeat"
    ),
    Case("- text: t\n  json_schema: {if: {pattern: 'a\\'}}\n", 2, r"no regular expression \(bad escape"),
    Case('- text: t\n  json_schema: \'{"items": {"pattern": "(a"}}\'\n', 2, r"no regular expression"),
    Case(
        "- text: t\n  json_schema:\n    $defs: {kind: {type: string}}\n    items:\n      $ref: '#/defs/kind'\n",
        5,
        r"the schema has no '#/defs/kind': write \$ref: '#/\$defs/kind'$",
    ),
    Case("- text: t\n  json_schema: {items: {$ref: '#/$defs/a'}}\n", 2, r"add it, such as \$defs: \{kind: "),
    Case("- text: t\n  json_schema: {$defs: {ab: {}}, $ref: '#far'}\n", 2, r"has no '#far': there is '#/\$defs/ab'$"),
    Case("- text: t\n  json_schema: {$ref: 'https://a.test/b.json'}\n", 2, r"elsewhere, and nothing is fetched"),
    Case('- text: t\n  json_schema: \'{"$ref": "#/x"}\'\n', 2, r"the schema has no '#/x': add it"),
    Case("- text: t\n  json_schema: {$ref: '#/title', title: t}\n", 2, r"the schema has no '#/title'"),
    Case("- text: t\n  json_schema: {required: true}\n", 2, r"write required: \[kind\]$"),
    Case("- text: t\n  json_schema: {enum: []}\n", 2, r"write enum: \[mug, plate\]$"),
    Case("- text: t\n  json_schema: {anyOf: [string]}\n", 2, r"write anyOf: \{type: string\}$"),
    Case("- text: t\n  json_schema: {minimum: .inf}\n", 2, r"number that JSON has not"),
    Case("- text: t\n  json_schema: [a]\n", 2, r"write json_schema: \{type: object"),
    Case("- text: t\n  json_schema: '{\"type\": '\n", 2, r"as JSON text: write json_schema: \{type: object"),
    Case(f"- text: t\n  json_schema: {{title: {'t' * 20_001}}}\n", 2, r"at most 20,000 are taken: shorten it"),
]

BETWEEN = [
    Case(KIND + "- name: kind\n  text: t\n", 4, r"'kind' is there twice, first in line 1: leave one out, or rename"),
    Case(KIND + "- name: Kind\n  text: t\n", 4, r"'Kind' is there twice, first in line 1: leave one out, or rename"),
    Case("- what is it?\n- what is it?\n", 2, r"is there twice, first in line 1: leave one out"),
    Case("- name: Status\n  text: t\n", 1, r"column status of their own: .*such as product_status$"),
    Case(KIND + "- text: t\n  name: error_code\n", 5, r"such as product_error_code$"),
    Case(KIND + "- name: kind_confidence\n  text: t\n", 4, r"column of 'kind' \(line 1\).*rename one"),
    Case("- name: kind_corrected\n  text: t\n" + KIND, 1, r"column of 'kind' \(line 3\).*rename one"),
    Case(
        "- text: t\n  when: {kind: shirt}\n" + KIND, 2, r"'kind' is asked later, in line 3: put that attribute before"
    ),
    Case("- text: t\n  after: kind\n" + KIND, 2, r"after: 'kind' is asked later, in line 3"),
    Case("- text: t\n  name: n\n  when: {n: shirt}\n", 3, r"cannot wait for its own answer: name an earlier one"),
    Case(KIND + "- text: t\n  when: {kidn: shirt}\n", 5, r"called 'kidn': write kind$"),
    Case(KIND + "- text: t\n  when: {colour: red}\n", 5, r"called 'colour': there are 'kind'$"),
    Case("- text: t\n  when: {colour: red}\n", 2, r"called 'colour': there is none before this$"),
    Case(KIND + "- text: t\n  when: {kind: shrit}\n", 5, r"never answered by 'shrit': write shirt$"),
    Case(KIND + "- text: t\n  when:\n    kind: [mug, lamp]\n", 6, r"by 'lamp': it can be 'mug', 'shirt'$"),
    Case(KIND + "  map: {mug: Cup}\n- text: t\n  when: {kind: mug}\n", 6, r"by 'mug': .*write Cup|it can be 'Cup', "),
    Case(KIND + "  below: 0.4\n  then: n/a\n- text: t\n  when: {kind: no}\n", 7, r"'mug', 'shirt', 'n/a'$"),
    Case("- {text: a mug, match: true}\n- text: t\n  when: {a mug: maybe}\n", 3, r"it can be 'yes', 'no'$"),
    Case(KIND + "- text: t\n  when: kind is shirt\n", 5, r"braces: when: \{kind: shirt\}$"),
    Case(KIND + "- text: t\n  when: kind == shirt\n", 5, r"braces: when: \{kind: shirt\}$"),
    Case(KIND + "- text: t\n  when: kind\n", 5, r"write when: \{kind: shirt\}$"),
    Case(KIND + "- text: t\n  when:\n  - kind: shirt\n", 6, r"leave the dashes out"),
    Case(KIND + "- text: t\n  when: {kind: }\n", 5, r"names no answer of 'kind': write when: \{kind: shirt\}$"),
    Case(KIND + "- text: t\n  when: {kind:shirt}\n", 5, r"space is missing after the colon: write kind: shirt$"),
    Case(KIND + "- text: t\n  when: {}\n", 5, r"when is empty: write when: "),
]


@pytest.mark.parametrize(
    "case", NOT_YAML + NO_LIST + KEYS + CHOICES + UNSURE + TERMS + BETWEEN, ids=lambda case: repr(case.sheet[-40:])
)
def test_a_mistake_is_told_with_its_line_and_what_to_write_instead(tmp_path: Path, case: Case) -> None:
    found = mistakes(tmp_path, case.sheet)

    lines = [line for line, text in found if re.search(case.instead, text)]
    assert lines == [case.line], found
    assert len(found) == 1, found


def test_all_mistakes_of_a_sheet_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    sheet = "- name: kind\n  text: what?\n  choises: [a, b]\n- name: kind\n  choices: [a]\n- text: t\n  below: 50\n"

    assert [line for line, _ in mistakes(tmp_path, sheet)] == [3, 4, 4, 5, 7, 7]


def test_of_many_mistakes_the_first_ten_are_told_and_how_many_there_are(tmp_path: Path) -> None:
    file = tmp_path / "tags.yaml"
    file.write_text("".join(f"- text: question {number}\n  choises: [a, b]\n" for number in range(25)))

    with pytest.raises(SheetError) as caught:
        read_questions(file)

    *told, rest = caught.value.mistakes
    assert [line.split(":")[1] for line in told] == [str(2 * number + 2) for number in range(10)]
    assert rest == f"{file} has 25 mistakes; these are the first 10"


def test_what_hangs_on_a_mistake_is_not_told_as_another(tmp_path: Path) -> None:
    sheet = (
        "- nmae: kind\n  text: what?\n  choices: red, blue\n"
        "- text: how long?\n  when: {kind: shirt}\n  multiple: maybe\n  choises: [a, b]\n"
    )

    assert [line for line, _ in mistakes(tmp_path, sheet)] == [1, 3, 6, 7]


def test_a_sheet_has_a_thousand_attributes_at_the_most(tmp_path: Path) -> None:
    lines = "".join(f"- name: n{number}\n  text: t\n" for number in range(1_002))

    assert mistakes(tmp_path, lines) == [
        (2_001, "there are 1,002 attributes; at most 1,000 are taken: split the sheet")
    ]


def test_what_was_meant_is_looked_for_in_the_first_mistakes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = []
    monkeypatch.setattr("askpix.producer.sheets.mistakes.nearest", lambda word, _: looked_for.append(word))
    conditions = "".join(f"- name: n{n}\n  text: t\n  when: {{color{n}: red}}\n" for n in range(1_000))
    (tmp_path / "tags.yaml").write_text(conditions)

    with pytest.raises(SheetError) as caught:
        read_questions(tmp_path / "tags.yaml")

    assert len(looked_for) == 50
    assert caught.value.mistakes[-1].endswith("has 1000 mistakes; these are the first 10")


@pytest.mark.parametrize("quote", ["", '"'])
def test_aliases_of_one_long_text_do_not_grow_without_bounds(tmp_path: Path, quote: str) -> None:
    long = f"{quote}{'what is it ' * 18_000}{quote}"

    ((line, text),) = mistakes(
        tmp_path, f"- text: what is it?\n  choices:\n    - &long {long}\n" + "    - *long\n" * 60
    )

    assert line == 3
    assert "aliases (*) make it so" in text


@pytest.mark.parametrize("references", [9, 60])
def test_aliases_of_aliases_do_not_grow_without_bounds(tmp_path: Path, references: int) -> None:
    levels = ["- &a0 {text: t}"]
    levels += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * references)}]" for n in range(1, 12)]

    ((_, text),) = mistakes(tmp_path, "\n".join(levels))

    assert "aliases (*) make it so" in text


# Looked at from each place anew, these would take minutes at least: the time that a test has ends that.
@pytest.mark.parametrize(
    ("sheet", "line"),
    [
        (f"- text: a\n{' ' * 900_000}\n    b\n  choises: [a, b]\n", 4),
        (f"- text: a\n   {'- ' * 480_000}\n   b: c\n", 1),
        (f"- text: a\n   {'-  ' * 320_000}b\n   b: c\n", 1),
    ],
    ids=["spaces", "dashes", "dashes-apart"],
)
@pytest.mark.timeout(60)
def test_a_long_line_is_told_of_like_a_short_one(tmp_path: Path, sheet: str, line: int) -> None:
    assert mistakes(tmp_path, sheet)[0][0] == line


def test_a_file_that_is_no_sheet_by_its_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_bytes(b"#" * 1_000_001)

    with pytest.raises(InputError, match=r"tags\.yaml has more than 1 MB"):
        read_questions(tmp_path / "tags.yaml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read: no such file"):
        read_questions(tmp_path / "none.yaml")
