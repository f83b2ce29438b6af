"""A FastAPI app as it is; Mangum makes it a Lambda handler."""

from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float


@app.get("/")
def root():
    return {"hello": "from FastAPI"}


@app.post("/items", status_code=201)
def create(item: Item):
    return {"name": item.name.upper(), "price": item.price}


handler = Mangum(app, lifespan="off")
