// Lambda's style: gives back what it was given.
export async function handler(event, context) {
  return { event, context: { name: context.functionName, memory: context.memoryLimitInMB, request: context.awsRequestId, left: context.getRemainingTimeInMillis() > 0 } };
}
