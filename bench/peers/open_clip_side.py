"""open_clip: labels are encoded once for all images, which a DataLoader decodes in worker processes beside the inference."""
import open_clip
import torch
from PIL import Image
from serve import serve

MODEL = "ViT-B-32-quickgelu"


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths, preprocess):
        self.paths, self.preprocess = paths, preprocess

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, n):
        return self.preprocess(Image.open(self.paths[n]))


def prepare(setup):
    torch.set_num_threads(setup["threads"])
    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=setup["openClip"])
    tokenizer = open_clip.get_tokenizer(MODEL)
    model.eval()

    def unit(rows):
        return rows / rows.norm(dim=-1, keepdim=True)

    @torch.inference_mode()
    def texts(labels):
        return unit(model.encode_text(tokenizer([setup["template"].replace("{}", label) for label in labels])))

    @torch.inference_mode()
    def classify(paths, labels):
        rows, scale = texts(labels), model.logit_scale.exp()
        workers = min(setup["workers"], len(paths) - 1)  # a single image needs none
        loader = torch.utils.data.DataLoader(Photos(paths, preprocess), setup["batch"], num_workers=workers)
        first = []
        for pixels in loader:
            scores = (scale * unit(model.encode_image(pixels)) @ rows.T).softmax(dim=-1)
            first += [labels[n] for n in scores.argmax(dim=-1).tolist()]
        return first

    @torch.inference_mode()
    def embed():
        pixels = torch.stack([preprocess(Image.open(path)) for path in setup["compared"]])
        return unit(model.encode_image(pixels)).tolist()

    works = {name: lambda work=work: classify(work["photos"], work["labels"]) for name, work in setup["tasks"].items()}
    return {**works, "embed": embed}


serve({"open_clip_torch": open_clip.__version__, "torch": torch.__version__}, prepare)
