"""Dialogue: how families write conversations, for checkpoints whose tokenizer brings no template.

Jinja over `messages`, each with a role and a content, and `add_generation_prompt`. Refuses to know who renders it.
"""

# Qwen's, and so that of what was converted from it.
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# LLaDA's: Llama 3's headers.
HEADERS = (
    "<|startoftext|>"
    "{% for message in messages %}"
    "<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content | trim }}<|eot_id|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

# LLaDA2's: Ling's roles, thinking off.
ROLE_TAGS = (
    "{% set told = messages %}"
    "<role>SYSTEM</role>"
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}\n{% set told = messages[1:] %}{% endif %}"
    "detailed thinking off<|role_end|>"
    "{% for message in told %}"
    "{% if message.role == 'user' %}<role>HUMAN</role>"
    "{% elif message.role == 'assistant' %}<role>ASSISTANT</role>"
    "{% else %}{{ raise_exception('a ' ~ message.role ~ ' message has no place here') }}{% endif %}"
    "{{ message.content }}<|role_end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<role>ASSISTANT</role>{% endif %}"
)
