"""Asking an LLM: the seam, an OpenAI-compatible client with limits and a cache, and fakes."""

from asap.chat.cache import ReplyCache
from asap.chat.client import Chat, ChatRequest, Message, Reply, Usage
from asap.chat.limits import ChatLimits
from asap.chat.openai_chat import OpenAIChat
from asap.chat.scripted import ReplayChat, ScriptedChat

__all__ = [
    "Chat",
    "ChatLimits",
    "ChatRequest",
    "Message",
    "OpenAIChat",
    "ReplayChat",
    "Reply",
    "ReplyCache",
    "ScriptedChat",
    "Usage",
]
