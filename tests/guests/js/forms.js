// FormData: the object, multipart and urlencoded, in both directions.
import { checks, equal, ok, rejects, throws, utf8 } from "./lib/check.js";

const multipart = (parts, boundary = "XX") => {
  const body = `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join("")}--${boundary}--\r\n`;
  return new Response(utf8(body), { headers: { "content-type": `multipart/form-data; boundary=${boundary}` } }).formData();
};

export default checks({
  "entries keep their order and may repeat": () => {
    const form = new FormData();
    form.append("a", "1");
    form.append("b", 2);
    form.append("a", "3");
    equal([...form], [["a", "1"], ["b", "2"], ["a", "3"]]);
    equal([form.get("a"), form.getAll("a"), form.get("z"), form.has("b")], ["1", ["1", "3"], null, true]);
    form.set("a", "4");
    equal([...form], [["a", "4"], ["b", "2"]]);
    form.delete("a");
    equal([...form.keys()], ["b"]);
  },
  "a blob becomes a file": () => {
    const form = new FormData();
    form.append("f", new Blob(["x"], { type: "text/css" }));
    form.append("g", new File(["y"], "own.txt"), "given.txt");
    const file = form.get("f");
    ok(file instanceof File);
    equal([file.name, file.type, form.get("g").name], ["blob", "text/css", "given.txt"]);
    throws(() => form.append("h", "text", "name.txt"), "TypeError");
  },
  "multipart is read with files, types and odd names": async () => {
    const form = await multipart([
      'Content-Disposition: form-data; name="plain"\r\n\r\nvalue\r\nof two lines',
      'content-disposition: form-data; name="up"; filename="a%22b.txt"\r\nContent-Type: text/plain\r\n\r\nfile body',
      'Content-Disposition: form-data; name="grün"\r\n\r\nü',
      'Content-Disposition: form-data; name="empty"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n',
    ]);
    equal(form.get("plain"), "value\r\nof two lines");
    equal(form.get("grün"), "ü");
    const file = form.get("up");
    equal([file.name, file.type, await file.text()], ['a"b.txt', "text/plain", "file body"]);
    equal([form.get("empty").size, form.get("empty").name], [0, ""]);
  },
  "a file's bytes come through as they are": async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    const form = new FormData();
    form.append("f", new File([bytes, "\r\n--not the boundary\r\n"], "b.bin", { type: "application/x-b" }));
    const back = await new Response(form).formData();
    const read = await back.get("f").bytes();
    equal([...read.subarray(0, 256)], [...bytes]);
    equal([read.length, back.get("f").type], [256 + 22, "application/x-b"]);
  },
  "a round trip keeps names with quotes and line breaks": async () => {
    const form = new FormData();
    form.append('a"b', "1");
    form.append("line\nbreak", "x\ny");
    form.append("file", new File(["z"], 'q"\r\n.txt'));
    const response = new Response(form);
    ok(/^multipart\/form-data; boundary=[-\w'+]{8,70}$/.test(response.headers.get("content-type")), response.headers.get("content-type"));
    const back = await response.formData();
    equal(back.get('a"b'), "1");
    equal(back.get("line\r\nbreak"), "x\r\ny");
    equal(back.get("file").name, 'q"\r\n.txt');
  },
  "two bodies have two boundaries": () => {
    const boundary = () => new Response(new FormData()).headers.get("content-type");
    ok(boundary() !== boundary());
  },
  "urlencoded is read": async () => {
    const form = await new Request("http://a/", { method: "POST", body: new URLSearchParams("a=1+2&b=%C3%BC&a=3&c") }).formData();
    equal([...form], [["a", "1 2"], ["b", "ü"], ["a", "3"], ["c", ""]]);
  },
  "what is no form rejects": async () => {
    await rejects(new Response("x").formData(), "TypeError");
    await rejects(new Response("x", { headers: { "content-type": "multipart/form-data" } }).formData(), "TypeError");
    await rejects(multipart(["no header at all"]), "TypeError");
    const cut = new Response('--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\nnever ends', { headers: { "content-type": "multipart/form-data; boundary=XX" } });
    await rejects(cut.formData(), "TypeError");
  },
  "a boundary may be quoted": async () => {
    const body = '--a b\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n--a b--\r\n';
    const form = await new Response(body, { headers: { "content-type": 'multipart/form-data; boundary="a b"' } }).formData();
    equal(form.get("k"), "v");
  },
});
