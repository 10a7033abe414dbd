"""What transformers feeds a chat model for one user message, by templates of our own which are built
from what those of well-known families are built from.

The clock that templates may ask for stands still, at the date which the program gives them too.
"""

import json
from datetime import datetime

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

import gpt2

NOW = datetime(2024, 7, 26)

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

# As Llama 2: a loop over a slice, roles by parity, a system message inside the user's.
BRACKETS = r"""{% if messages[0]['role'] == 'system' %}
{% set rest = messages[1:] %}
{% set system = messages[0]['content'] %}
{% elif false and not 'Be honest' in messages[0]['content'] %}
{% set rest = messages %}
{% set system = 'Be honest.' %}
{% else %}
{% set rest = messages %}
{% set system = false %}
{% endif %}
{% for message in rest %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant/…') }}
{% endif %}
{% if loop.index0 == 0 and system != false %}
{% set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + message['content'] %}
{% else %}
{% set content = message['content'] %}
{% endif %}
{% if message['role'] == 'user' %}
{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{% elif message['role'] == 'assistant' %}
{{ ' ' + content.strip() + ' ' + eos_token }}
{% endif %}
{% endfor %}
"""

# As Llama 3.1 and 3.2: a date, tools that aren't there, macros' arguments, tojson.
HEADERS = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2000" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Today: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\n\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\n\n' }}
{%- endif %}
"""

# As Qwen 2.5: a default system prompt, and tool messages by loop.last and loop.index0.
QWEN = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou answer briefly.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

# As Qwen 3: a namespace, the messages backwards, thoughts cut off by split, a switch.
THINKING = r"""{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- set thought = '' %}
    {%- if message.reasoning_content is string %}
        {%- set thought = message.reasoning_content %}
    {%- elif '</think>' in content %}
        {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
        {{- '<think>' + thought.strip('\n') + '</think>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

# As Gemma 2 and 3: content as a string or as parts, a role renamed, inline tags.
TURNS = r"""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {{ raise_exception('System role not supported') }}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '</turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
"""

# As Mistral: selectattr, a counter in a namespace, the last user message.
MISTRAL = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{#- Tool messages don't count. #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("Roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[TOOLS] [" }}
        {%- endif %}
        {%- if message == user_messages[-1] and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- endif %}
{%- endfor %}
"""

# As Phi-3 and Zephyr: lines that trim_blocks and lstrip_blocks take away, or leave.
PHI = r"""{% for message in messages %}
    {% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + '<|end|>' }}
    {% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n' + message['content'] + '<|end|>' }}
    {%+ endif %}
  {% if loop.last and add_generation_prompt +%}
{{ '<|assistant|>' }}
  {% else %}
{{ eos_token }}
  {% endif %}
{% endfor %}

"""

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# For training: what the model wrote is marked, and what is set in it stays in it.
GENERATION = r"""{% set seen = 'none' %}
{% for message in messages %}
{% if message.role == 'user' %}
{%- generation -%}
  {% set seen = 'inside' %}
<u>{{ message.content }}</u>{{ seen }}{{ loop.index }}
{%- endgeneration +%}
 {{ seen }}
{% else %}
    {% generation %}
{{ message.content }}
    {% endgeneration %}
{% endif %}
{% endfor %}
{%generation%}
<a>
{% endgeneration %}"""

# The engine itself: how Python prints, methods, macros, scopes, breaks, JSON.
PYTHON = r"""{% macro line(name, value='?') -%}
{{ name }}={{ value }};
{% endmacro %}
{% set facts = {'b': 1, 'a': [true, none, 1.5, 'x'], 'é': {'<': "it's", '"': '\t'}} %}
{{ line('none', none) }}{{ line('bool', 1 == 1) }}{{ line('float', 3 / 2) }}{{ line('div', 7 // 2) }}
{{ line('printed', missing ~ '') }}{{ line('default', missing or 'else') }}{{ line('gone', missing | default('d')) }}
{{ line('str', facts.a) }}{{ line('map', facts.b ~ facts.none ~ 1) }}{{ line('keys', facts.keys() | list) }}
{% for key, value in facts.items() %}{{ key }}:{{ loop.revindex }}{{ ', ' if not loop.last }}{% endfor %}

{% for key, value in facts | items %}{{ key }}{% endfor %}|
{{ facts | tojson }} {{ facts | tojson(indent=2) }} {{ messages | tojson }}
{{ [] | tojson(indent=2) }} {{ tools | tojson }} {{ "é\u2028\x7f/" | tojson(ensure_ascii=false) }}
{% for n in range(9) %}{% if n == 1 %}{% continue %}{% endif %}{% if n > 3 %}{% break %}{% endif %}{{ n }}{% endfor %}
{% set x %}block {{ eos_token }}{% endset %}
{% if true %}{% set x = x ~ '!' %}{% endif %}{% for _ in [1] %}{% set x = 'lost' %}{% endfor %}
{{ x }} {{ x | upper }} {{ 'one two'.title() }} {{ 'a-b-c'.replace('-', '+') }} {{ 'abc'[-1] }}{{ 'abc'[1:] }} {{ 'a,b'.split(',') }}
{{ facts.get('z', 'no') }} {{ facts['z'] is defined }} {{ 'b' in facts }} {{ documents is none }} {{ facts is mapping }}
{{ 'x' is iterable }} {{ [1] is sequence }}{{ 'x' is sequence }}{{ facts is sequence }}{{ 1 is sequence }} {{ messages | map(attribute='role') | join(', ') }} {{ '%s-%d' | format('s', 3) }}
{{ messages | rejectattr('role', 'equalto', 'user') | list | length }} {{ [3, 1] | sort | first }} {{ pad_token is defined }}
{{ '<b>' }} {{ "a" "b" }} {{ 'one\\two\'' }} {{ -3 % 5 }} {{ 2 ** 3 }} {{ 1 < 2 < 3 }} {{ (1, 2) }} {{ dict(k=1) }} {{ 'ß'|length }}
{% with y = 2 %}{{ y }}{% endwith %}{% filter trim %}  f  {% endfilter %}{% raw %}{{ raw }}{% endraw %}{# gone #}
{{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %-d %j %p %y %%') }}
{{ messages[-1].content | replace('a', 'A') | length > 0 }} {{ not messages[5] is defined }} {{ 1 if missing }}
"""

EDGES = "\t  spaces\n and lines \n\n"
MARKUP = '{{ bos_token }} {% if x %} {# c #} <b>"R&D"</b> \'s \\n'
WORDS = "東京は 🗼 naïve ﬁ e\u0301\u00a0"
PLAIN = "Where is the Eiffel Tower?"
ROLES = "assistant user [/INST] <s></s>"

TEMPLATES = {
    "brackets": (BRACKETS, [PLAIN, EDGES, MARKUP, WORDS, "Be honest"]),
    "headers": (HEADERS, [PLAIN, EDGES, MARKUP, ROLES]),
    "qwen": (QWEN, [PLAIN, EDGES, MARKUP, WORDS, ROLES, "", "a\r\nb"]),
    "thinking": (THINKING, [PLAIN, EDGES, MARKUP, "<think>\nso\n</think>\n\nyes", "<tool>x</tool>"]),
    "turns": (TURNS, [PLAIN, EDGES, MARKUP, WORDS, " "]),
    "mistral": (MISTRAL, [PLAIN, EDGES, MARKUP, WORDS]),
    "phi": (PHI, [PLAIN, EDGES, MARKUP]),
    "phi, Windows lines": (PHI.replace("\n", "\r\n"), [PLAIN, EDGES]),
    "chatml": (CHATML, [PLAIN, EDGES, MARKUP, WORDS, ROLES]),
    "generation": (GENERATION, [PLAIN, EDGES]),
    "python": (PYTHON, [PLAIN, MARKUP]),
}


class Stopped(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template: str, special: dict, user: str) -> str:
    bare = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, chat_template=template, **special)
    messages = [{"role": "user", "content": user}]
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def main() -> None:
    chat_template_utils.datetime = Stopped
    cases = []
    for name, (template, users) in TEMPLATES.items():
        prompts = [dict(user=user, text=render(template, SPECIAL, user)) for user in users]
        cases.append(dict(name=name, template=template, prompts=prompts))
    golden = dict(special=SPECIAL, cases=cases)
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    (gpt2.GOLDENS / "chat.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
