"""A CLIP service as it is usually written in Python: FastAPI, transformers, one image per request.

MODEL=/tmp/b32 uvicorn --app-dir bench/peers serve_fastapi:app --port 7071   (pip install fastapi uvicorn transformers torch pillow)
Answers like `clip-classify serve`, so that bench/load.ts measures both.
"""

import io
import os

import torch
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

folder = os.environ["MODEL"]
model = CLIPModel.from_pretrained(folder).eval()
processor = CLIPProcessor.from_pretrained(folder)
app = FastAPI()


@torch.inference_mode()
def classify(data: bytes, labels: list[str], top: int):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    texts = [f"a photo of a {label}" for label in labels]
    inputs = processor(text=texts, images=image, return_tensors="pt", padding=True)
    scores = model(**inputs).logits_per_image.softmax(dim=-1)[0]
    best = scores.topk(min(top, len(labels)))
    return [{"label": labels[n], "score": float(s)} for s, n in zip(best.values, best.indices)]


@app.post("/v1/classify")
async def route(request: Request, labels: str, top: int = 5, name: str = "image 1"):
    rows = await run_in_threadpool(classify, await request.body(), labels.split(","), top)
    return {"results": [{"image": name, "label": rows[0]["label"], "labels": rows}]}
