"""Qwen2.5-VL on a picture, in transformers: processor, logits, text.

What is expected stands in tests/data/qwen2_5_vl-overlay/picture.safetensors.
"""

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from fixtures import DATA, OVERLAY

SIDE = 56
QUESTION = "Return the number of items"
INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
TOLERANCE = 1e-4  # run_interop.py gives the reason


def stored():
    return load_file(DATA / OVERLAY / "picture.safetensors")


def picture():
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    return Image.fromarray(numpy.stack([x * 4, y * 4, (x + y) * 2], -1).astype(numpy.uint8))


def check_answer(model, inputs):
    """The stored logits and the stored text; the largest difference of a logit."""
    expected = stored()
    with torch.no_grad():
        logits = model(**inputs).logits
        generated = model.generate(**inputs, max_new_tokens=24, do_sample=False)
    difference = (logits - expected["logits"]).abs().max().item()
    assert difference <= TOLERANCE, difference
    assert torch.equal(generated, expected["generated"])
    return difference


def check_picture_generated(model):
    """From stored pixels. Later versions are told which tokens are the picture's."""
    inputs = {name: stored()[name] for name in INPUTS}
    if not transformers.__version__.startswith("4."):
        is_picture = inputs["input_ids"] == model.config.image_token_id
        inputs["mm_token_type_ids"] = is_picture.int()
    return check_answer(model, inputs)


def check_picture_processed(model, out):
    """From the picture, through AutoProcessor."""
    processor = transformers.AutoProcessor.from_pretrained(out)
    config = model.config
    # The small vocabulary has no words for pictures; the config gives their numbers to others.
    begin, processor.image_token, end = processor.tokenizer.convert_ids_to_tokens(
        [config.vision_start_token_id, config.image_token_id, config.vision_end_token_id])
    inputs = processor(text=[begin + processor.image_token + end + QUESTION], images=[picture()],
                       return_tensors="pt")
    assert torch.equal(inputs["input_ids"], stored()["input_ids"])
    return check_answer(model, inputs)
