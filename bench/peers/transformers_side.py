"""transformers: its pipeline for this task, in batches; like transformers.js it encodes the labels again for every image."""
import torch
import transformers
from PIL import Image
from serve import serve


def prepare(setup):
    torch.set_num_threads(setup["threads"])
    pipe = transformers.pipeline("zero-shot-image-classification", model=setup["folder"], device="cpu")

    def classify(paths, labels):
        template, batch = setup["template"], min(setup["batch"], len(paths))
        found = pipe(list(paths), candidate_labels=labels, hypothesis_template=template, batch_size=batch)
        return [scores[0]["label"] for scores in found]

    @torch.inference_mode()
    def embed():
        images = [Image.open(path).convert("RGB") for path in setup["compared"]]
        found = pipe.model.get_image_features(**pipe.image_processor(images, return_tensors="pt"))
        rows = found if isinstance(found, torch.Tensor) else found.pooler_output
        return (rows / rows.norm(dim=-1, keepdim=True)).tolist()

    works = {name: lambda work=work: classify(work["photos"], work["labels"]) for name, work in setup["tasks"].items()}
    return {**works, "embed": embed}


serve({"transformers": transformers.__version__, "torch": torch.__version__}, prepare)
