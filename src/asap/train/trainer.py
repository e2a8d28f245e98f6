"""What other trainers read: how a row is written for each, and the settings with which they train
on it as the paper does: loss on the completion alone, reasoning included.

None of these trainers is run here; `docs/export.md` says what was checked of the settings, and
with which versions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asap.train.rows import TrainRow

Trainer = Literal["axolotl", "llamafactory", "openai", "sharegpt"]

_LENGTH_TOKENS = 16384
"""The paper's."""

_R1_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}"
)
"""R1's, with the reasoning left in."""


@dataclass(frozen=True, slots=True)
class TrainerFormat:
    """How one trainer is served."""

    write_row: Callable[[TrainRow], dict[str, Any]]
    """The JSON object that stands for a row."""
    write_settings: Callable[[Path], str]
    """What the trainer has to be told about a file."""


def write_dataset_entry(file_name: str) -> dict[str, Any]:
    """What LLaMA-Factory's `dataset_info.json` has to say of a file written for it.

    The names in a turn (`from`, `value`, `human`, `gpt`) are those it expects when it is told none.
    """
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
    }


def _write_messages(row: TrainRow) -> dict[str, Any]:
    """OpenAI's format has no place for other keys."""
    return {
        "messages": [
            {"role": "user", "content": row.prompt},
            {"role": "assistant", "content": row.completion},
        ]
    }


def _write_messages_with_keys(row: TrainRow) -> dict[str, Any]:
    return _write_messages(row) | _write_keys(row)


def _write_conversations(row: TrainRow) -> dict[str, Any]:
    turns = [{"from": "human", "value": row.prompt}, {"from": "gpt", "value": row.completion}]
    return {"conversations": turns} | _write_keys(row)


def _write_keys(row: TrainRow) -> dict[str, Any]:
    return {"row": row.row, "id": row.id, "variant": row.variant}


def _tell_axolotl(path: Path) -> str:
    return f"""\
# The chat template that R1-Distill models ship drops the reasoning (<think>...</think>) from
# assistant turns; so does axolotl's deepseek_v3. This one keeps it. For a ChatML model write
# `chat_template: chatml` in place of both lines.
chat_template: jinja
chat_template_jinja: {_quote(_R1_TEMPLATE)}
datasets:
  - path: {_quote(path)}
    ds_type: json
    type: chat_template
    field_messages: messages
    roles_to_train: [assistant]
    train_on_eos: turn
train_on_inputs: false
# Rows of more tokens are dropped; with `excess_length_strategy: raise` it stops instead.
sequence_len: {_LENGTH_TOKENS}
"""


def _tell_llamafactory(path: Path) -> str:
    return f"""\
stage: sft
dataset_dir: {_quote(path.parent)}
dataset: {_quote(path.stem)}
# LLaMA-Factory's own, for R1-Distill models: it keeps the reasoning (<think>...</think>), which
# the chat template that they ship drops from assistant turns. Another model needs its own; leave
# enable_thinking as it is (false removes the reasoning).
template: deepseekr1
train_on_prompt: false
# Longer rows are cut, not dropped: the end of the answer goes. The default is 2048.
cutoff_len: {_LENGTH_TOKENS}
"""


def _tell_openai(path: Path) -> str:
    return f"""\
# The loss is on the assistant's turn. The service applies its own chat template and limits: look
# at what it says of examples that are too long. Where you host an R1-Distill model yourself, its
# shipped chat template drops the reasoning (<think>...</think>) from assistant turns.
from openai import OpenAI
client = OpenAI()
file = client.files.create(file=open({_quote(path)}, "rb"), purpose="fine-tune")
client.fine_tuning.jobs.create(
    training_file=file.id, model="MODEL", method={{"type": "supervised"}}
)
"""


def _tell_sharegpt(path: Path) -> str:
    return f"""\
# Any trainer that reads ShareGPT; train on the turns from `gpt` alone. The chat template that
# R1-Distill models ship drops the reasoning (<think>...</think>) from assistant turns: use one
# that keeps it (`asap export --to axolotl` prints one). In axolotl's words:
datasets:
  - path: {_quote(path)}
    ds_type: json
    type: chat_template
    field_messages: conversations
    message_property_mappings: {{role: from, content: value}}
    roles_to_train: [assistant]
    train_on_eos: turn
train_on_inputs: false
sequence_len: {_LENGTH_TOKENS}
"""


def _quote(text: str | Path) -> str:
    """A string of YAML, and of Python; JSON's are both."""
    return json.dumps(str(text), ensure_ascii=False)


TRAINERS: dict[Trainer, TrainerFormat] = {
    "axolotl": TrainerFormat(_write_messages_with_keys, _tell_axolotl),
    "llamafactory": TrainerFormat(_write_conversations, _tell_llamafactory),
    "openai": TrainerFormat(_write_messages, _tell_openai),
    "sharegpt": TrainerFormat(_write_conversations, _tell_sharegpt),
}
"""Every format by the name that commands use."""
