// Lambda's style: code that runs there runs here. HTTP arrives as payload format 2.0, and an object
// without `statusCode` is the JSON body of a 200.

export const handler = async (event, context) => ({
  healthy: true,
  path: event.rawPath,
  method: event.requestContext.http.method,
  memory: context.memoryLimitInMB,
});
