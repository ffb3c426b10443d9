"""Turns verdicts into what the page of a study shows of them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from longlag.claims import base
from longlag.claims.support.fixed import rule_hash
from longlag.claims.support.stored import Entry
from longlag.report.claims import table
from longlag.report.page.beside import Claim, Claims, Question

ABOUT = (
    f"{base.LECTURE}, put to the test by rules that were fixed before the numbers. An effect is signed so that the "
    "claim says it is above 0. Holds: its interval excludes 0 and not the minimum. Fails: it excludes the minimum. "
    "Cannot tell: neither. Proved and exhibited are exact."
)


def on_page(entries: Sequence[Entry], claims: Sequence[base.Claim]) -> Claims:
    """Return the verdicts of each claim's highest tier; those that cannot be shown as they stand get a remark.

    Args:
        entries: Stored verdicts, whatever they hold.
        claims: The claims as they are now.
    """
    today = {claim.number(): claim for claim in claims}
    shown, unread, earlier = dict[tuple[int, int, str], tuple[str, Question]](), 0, 0
    others = dict[int, str]()
    for entry in entries:
        if entry.get("superseded"):
            earlier += 1
            continue
        try:
            place = int(entry["claim"]), int(entry["tier"]), str(entry["rule"])
            shown[place] = str(entry["sentence"]), _question(entry, today)
        except (KeyError, TypeError, ValueError, OverflowError):
            unread += 1
            continue
        if not _is_todays(entry, today):
            others[place[0]] = _other_rule(entry, today)
    highest = {number: max(tier for claim, tier, _ in shown if claim == number) for number, _, _ in shown}
    found = {
        number: Claim(
            number,
            next(sentence for (claim, of, _), (sentence, _) in shown.items() if (claim, of) == (number, tier)),
            [shown[place][1] for place in sorted(shown) if place[:2] == (number, tier)],
        )
        for number, tier in sorted(highest.items())
    }
    remarks = [others[number] for number in sorted(others)]
    remarks += [f"Verdicts in a form that this version cannot read: {unread}."] * bool(unread)
    remarks += [f"Verdicts by earlier rules, kept in the file: {earlier}."] * bool(earlier)
    return Claims(ABOUT, remarks, list(found.values()))


def _question(entry: Entry, today: Mapping[int, base.Claim]) -> Question:
    estimate, low, high = (None, None, None) if entry["effect"] is None else entry["effect"]
    numbers = {"estimate": estimate, "low": low, "high": high}
    numbers |= {name: entry[name] for name in ("minimum", "seeds_needed")}
    row = pd.Series({name: None if value is None else float(value) for name, value in numbers.items()}, dtype="float64")
    by_other = "" if _is_todays(entry, today) else ", by another rule"
    return Question(
        name=f"{int(entry['claim'])}{entry['rule']}",
        asks=str(entry["asks"]),
        verdict=table.verdict_told(pd.Series({"verdict": str(entry["verdict"]), **row})) + by_other,
        effect=table.effect_told(row),
        n=f"{int(entry['n'])}",
        rule=[(name, text) for name, text in _rule(entry, today) if text],
    )


def _rule(entry: Entry, today: Mapping[int, base.Claim]) -> list[tuple[str, str]]:
    """Return how an entry was decided; its words are known only if the rule is the present one."""
    rule = _todays(entry, today)
    bar = ""
    if entry["minimum"] is not None:
        bar = f"{float(entry['minimum']):.3g} {entry['unit']}, at level {float(entry['level']):.2g}"
    return [
        ("decided by", rule.decides if rule else "a rule that this version does not have"),
        ("falsified by", rule.falsified if rule else ""),
        ("minimum effect", bar),
        ("came out", str(entry["said"])),
        ("of what", str(entry["boundary"])),
        ("source", today[entry["claim"]].paper if rule else ""),
        ("rule and tier", f"{entry['rule_hash']}, {int(entry['tier'])}"),
    ]


def _todays(entry: Entry, today: Mapping[int, base.Claim]) -> base.Rule | None:
    claim = today.get(entry["claim"])
    if claim is None or entry["rule_hash"] != rule_hash(claim):
        return None
    return next((rule for rule in claim.rules if rule.name == entry["rule"]), None)


def _is_todays(entry: Entry, today: Mapping[int, base.Claim]) -> bool:
    return _todays(entry, today) is not None


def _other_rule(entry: Entry, today: Mapping[int, base.Claim]) -> str:
    number = int(entry["claim"])
    if number not in today:
        return f"This version has no claim {number}; its verdicts are shown as they stand."
    again = f"longlag claims {number} --new-rules judges it again"
    told = f"{entry['rule_hash']}; today's is {rule_hash(today[number])}"
    return f"Claim {number} was judged by another rule, {told}: {again}."
