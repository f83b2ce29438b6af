// A function of Lambda's kind, for `warmUp` in node.mjs.
exports.handler = async (event, context) => ({ statusCode: 200, body: `${typeof event} ${context.awsRequestId}` });
