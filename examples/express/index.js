// An Express app as it is; one line at the end makes it a Lambda handler.
import express from "express";
import serverless from "serverless-http";

const app = express();
app.use(express.json());

app.get("/", (request, response) => response.send("hello from Express\n"));
app.get("/hello/:name", (request, response) => response.json({ hello: request.params.name }));
app.post("/echo", (request, response) => response.status(201).json(request.body));

export const handler = serverless(app);
