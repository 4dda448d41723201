import time


def log(text):
    print(time.strftime('%H:%M:%S'), text, flush=True)
