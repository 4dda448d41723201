"""ONNX Runtime with Pillow and NumPy, as a short script does it: batches one after the other, on the joint ONNX model."""
import os

import numpy
import onnxruntime
import PIL
from PIL import Image
from serve import serve
from tokenizers import Tokenizer

MEAN = numpy.array([0.48145466, 0.4578275, 0.40821073], numpy.float32)
STD = numpy.array([0.26862954, 0.26130258, 0.27577711], numpy.float32)
SIZE = 224


def pixels_of(path):
    image = Image.open(path).convert("RGB")
    short = min(image.size)
    width, height = (SIZE * side // short for side in image.size)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    image = image.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + SIZE, top + SIZE))
    return ((numpy.asarray(image, numpy.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def prepare(setup):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup["threads"]
    session = onnxruntime.InferenceSession(
        os.path.join(setup["folder"], "onnx", "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(os.path.join(setup["folder"], "tokenizer.json"))
    tokenizer.enable_padding()

    def run(output, paths, labels):
        tokens = tokenizer.encode_batch([setup["template"].replace("{}", label) for label in labels])
        feeds = {
            "input_ids": numpy.array([one.ids for one in tokens], numpy.int64),
            "attention_mask": numpy.array([one.attention_mask for one in tokens], numpy.int64),
            "pixel_values": numpy.stack([pixels_of(path) for path in paths]),
        }
        return session.run([output], feeds)[0]

    def classify(paths, labels):
        first, texts = [], None
        for start in range(0, len(paths), setup["batch"]):
            batch = paths[start : start + setup["batch"]]
            if texts is None:  # the labels are encoded once
                texts = run("text_embeds", batch[:1], labels)
            images = run("image_embeds", batch, labels[:1])
            first += [labels[n] for n in (images @ texts.T).argmax(axis=-1)]
        return first

    works = {name: lambda work=work: classify(work["photos"], work["labels"]) for name, work in setup["tasks"].items()}
    return {**works, "embed": lambda: run("image_embeds", setup["compared"], ["cat"]).tolist()}


serve({"onnxruntime": onnxruntime.__version__, "Pillow": PIL.__version__, "numpy": numpy.__version__}, prepare)
