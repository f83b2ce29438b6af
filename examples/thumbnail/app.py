"""Makes a thumbnail of the image that is sent: curl --data-binary @photo.jpg URL?size=64"""

import base64
import io

from PIL import Image, UnidentifiedImageError


def handler(event, context):
    size = int((event.get("queryStringParameters") or {}).get("size", "128"))
    try:
        image = Image.open(io.BytesIO(base64.b64decode(event["body"])))
    except (KeyError, UnidentifiedImageError):
        return {"statusCode": 415, "body": "send an image as the body\n"}
    image.thumbnail((size, size))
    out = io.BytesIO()
    image.save(out, "PNG")
    return {
        "headers": {"content-type": "image/png", "x-size": f"{image.width}x{image.height}"},
        "statusCode": 200,
        "isBase64Encoded": True,
        "body": base64.b64encode(out.getvalue()).decode(),
    }
