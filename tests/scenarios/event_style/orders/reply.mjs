export const reply = (statusCode, value, cookies = []) => ({
  statusCode,
  headers: { "content-type": "application/json" },
  cookies,
  body: JSON.stringify(value),
});
