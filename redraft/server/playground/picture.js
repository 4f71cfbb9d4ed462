export async function picture() { throw new Error("not yet"); }
