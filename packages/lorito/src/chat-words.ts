// All words of the element <lorito-chat>. A further language is a further table.

const en = {
  log: "Conversation",
  user: "You",
  assistant: "Answer",
  message: "Message",
  send: "Send",
  stop: "Stop",
  opening: "The model is being opened.",
  answering: "The model is answering.",
  empty: "The model wrote nothing.",
  forgotten: "The beginning of the conversation no longer fits into what the model can see.",
  unknown: "The model does not know these characters: {characters}",
  failed: "That did not work ({code}).",
  notOpened: "The model could not be opened ({code}). Send your message again to try once more.",
};

export type ChatWords = Record<keyof typeof en, string>;

const es: ChatWords = {
  log: "Conversación",
  user: "Tú",
  assistant: "Respuesta",
  message: "Mensaje",
  send: "Enviar",
  stop: "Detener",
  opening: "Se está abriendo el modelo.",
  answering: "El modelo está respondiendo.",
  empty: "El modelo no escribió nada.",
  forgotten: "El principio de la conversación ya no cabe en lo que el modelo puede ver.",
  unknown: "El modelo no conoce estos caracteres: {characters}",
  failed: "Eso no funcionó ({code}).",
  notOpened: "No se pudo abrir el modelo ({code}). Envía tu mensaje otra vez para volver a intentarlo.",
};

const tables: Record<string, ChatWords> = { en, es };

/** The table of the first language, such as "es-MX", that has one; English if none has. */
export function wordsIn(languages: readonly (string | undefined)[]): ChatWords {
  const codes = languages.map((language) => language?.split("-")[0]?.toLowerCase() ?? "");
  return tables[codes.find((code) => Object.hasOwn(tables, code)) ?? "en"] ?? en;
}
