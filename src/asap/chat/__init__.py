"""Asking an LLM: the seam, OpenAI-compatible clients with limits, a cache, and fakes."""

from asap.chat.cache import ReplyCache
from asap.chat.client import Chat, ChatRequest, Message, Reply, Usage
from asap.chat.completions import (
    CompletionReply,
    CompletionRequest,
    Completions,
    OpenAICompletions,
)
from asap.chat.limits import ChatLimits
from asap.chat.loop import LoopThread
from asap.chat.openai_chat import OpenAIChat
from asap.chat.reading import Dialect, OpenAIReader, ReadReply, ReadRequest, ServedModel
from asap.chat.scripted import ReplayChat, ScriptedChat
from asap.chat.transport import Waiting

__all__ = [
    "Chat",
    "ChatLimits",
    "ChatRequest",
    "CompletionReply",
    "CompletionRequest",
    "Completions",
    "Dialect",
    "LoopThread",
    "Message",
    "OpenAIChat",
    "OpenAICompletions",
    "OpenAIReader",
    "ReadReply",
    "ReadRequest",
    "ReplayChat",
    "Reply",
    "ReplyCache",
    "ScriptedChat",
    "ServedModel",
    "Usage",
    "Waiting",
]
