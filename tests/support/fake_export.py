"""The fake engine's answer to Export: one prompt with a hostile title, a policy, or why there is none."""

from typing import Any

from tests.support.shop import HOSTILE


def export(payload: dict[str, Any]) -> dict[str, Any]:
    """`{request, fixed}` -> what `engine.policy.made.export` answers."""
    if payload["request"].get("perturb"):
        return {"prompts": [], "policy": None, "snippet": None, "why": "perturb: <b>edits</b> act inside."}
    strategy = "fixed" if payload["fixed"] else payload["request"]["demos"]
    spans = [("instruction", 0, 4), ("demonstration", 4, 20), ("history", 20, 31), ("query", 31, 35)]
    prompt = {
        "text": f"Bought:\n- {HOSTILE}\nNext:\n-",
        "messages": [{"role": "user", "content": f"Bought:\n- {HOSTILE}\nNext:\n"}],
        "answer_begins": "-",
        "answers": [],
        "weights": [1.0],
        "dropped": [],
        "tokens": {
            "ids": list(range(35)),
            "spans": [{"part": part, "index": 0, "start": a, "stop": b} for part, a, b in spans],
        },
    }
    return {
        "prompts": [prompt],
        "policy": '{"dualens_policy": 1}',
        "snippet": "import dualens\n",
        "strategy": strategy,
        "notes": ["A <i>note</i>."],
        "why": None,
    }
