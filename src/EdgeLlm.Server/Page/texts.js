// The page's texts in four languages. A text with {0} has a value put in.
const texts = {
  en: {
    you: 'You', assistant: 'Assistant', new: 'New', send: 'Send', stop: 'Stop', ask: 'Ask something', question: 'Your question', conversation: 'Conversation', copy: 'Copy', copied: 'Copied',
    notCopied: 'Not copied', again: 'Again', edit: 'Edit', editing: 'editing: Escape leaves it', attach: 'Attach a text file', remove: 'Remove {0}', tooLarge: '{0} is too large: at most {1} KB of text',
    noText: '{0} is not a text file', stopped: 'stopped', reading: 'reading the question', writing: 'writing', busy1: 'busy: 1 question is before yours', busy: 'busy: {0} questions are before yours',
    limit: 'The answer was ended here: it reached its limit, or went in circles.', nothing: 'The model had nothing to say.', wrong: 'that did not work', failed: 'the page failed: {0}', rate: '{0} tokens/s',
    ready: 'ready', connecting: 'connecting', notConnected: 'not connected yet', stillWriting: 'still writing: Stop, or the Escape key, ends that', here: 'Nothing leaves this machine.',
    there: 'Your words go to {0} and no further.', open: ' The way there is not encrypted.', back: 'Bring back the last conversation', settings: 'Settings', conversations: 'Conversations', close: 'Close',
    largeText: 'Large text', contrast: 'High contrast', motion: 'Less motion', language: 'Language', none: 'No other conversations are kept in this browser.', forget: 'Forget {0}', forgetAll: 'Forget all',
    touch: 'Touch to begin', only: 'Answer only from the text below. If it does not say, answer that you do not know.', offline: 'No connection to the service',
    lost: 'The connection was lost', later: '{0}; trying again in {1} s', full: 'Busy: {0}', answered: 'the service answered {0}', percent: 'reading the question: {0} %', administration: 'Administration',
    keyTitle: 'API key', keyLabel: 'This service takes an API key. Whoever set it up has it.', keyWrong: 'That key is wrong.', keyNeeded: 'this service takes an API key', keyKeep: 'Keep it in this browser', keyUse: 'Use it', heard: 'As it is written',
  },
  de: {
    you: 'Sie', assistant: 'Assistent', new: 'Neu', send: 'Senden', stop: 'Halt', ask: 'Ihre Frage', question: 'Ihre Frage', conversation: 'Gespräch', copy: 'Kopieren', copied: 'Kopiert',
    notCopied: 'Nicht kopiert', again: 'Noch einmal', edit: 'Ändern', editing: 'wird geändert: Escape bricht ab', attach: 'Textdatei anhängen', remove: '{0} entfernen', tooLarge: '{0} ist zu groß: höchstens {1} KB Text',
    noText: '{0} ist keine Textdatei', stopped: 'angehalten', reading: 'liest die Frage', writing: 'schreibt', busy1: 'beschäftigt: 1 Frage ist vor Ihrer', busy: 'beschäftigt: {0} Fragen sind vor Ihrer',
    limit: 'Die Antwort endet hier: Sie erreichte ihre Grenze oder drehte sich im Kreis.', nothing: 'Das Modell hatte nichts zu sagen.', wrong: 'das ging nicht', failed: 'die Seite hat einen Fehler: {0}', rate: '{0} Token/s',
    ready: 'bereit', connecting: 'verbindet', notConnected: 'noch nicht verbunden', stillWriting: 'schreibt noch: Halt oder Escape beendet das', here: 'Nichts verlässt dieses Gerät.',
    there: 'Ihre Worte gehen an {0} und nicht weiter.', open: ' Der Weg dorthin ist nicht verschlüsselt.', back: 'Das letzte Gespräch zurückholen', settings: 'Einstellungen', conversations: 'Gespräche', close: 'Schließen',
    largeText: 'Große Schrift', contrast: 'Hoher Kontrast', motion: 'Weniger Bewegung', language: 'Sprache', none: 'In diesem Browser sind keine anderen Gespräche.', forget: '{0} vergessen', forgetAll: 'Alle vergessen',
    touch: 'Zum Beginnen berühren', only: 'Antworte nur aus dem folgenden Text. Steht es nicht darin, sage, dass du es nicht weißt.', offline: 'Keine Verbindung zum Dienst',
    lost: 'Die Verbindung ging verloren', later: '{0}; neuer Versuch in {1} s', full: 'Beschäftigt: {0}', answered: 'der Dienst antwortete {0}', percent: 'liest die Frage: {0} %', administration: 'Verwaltung',
    keyTitle: 'API-Schlüssel', keyLabel: 'Dieser Dienst verlangt einen API-Schlüssel. Wer ihn eingerichtet hat, hat ihn.', keyWrong: 'Dieser Schlüssel ist falsch.', keyNeeded: 'dieser Dienst verlangt einen API-Schlüssel', keyKeep: 'In diesem Browser behalten', keyUse: 'Verwenden', heard: 'Wie es geschrieben wird',
  },
  fr: {
    you: 'Vous', assistant: 'Assistant', new: 'Nouveau', send: 'Envoyer', stop: 'Arrêter', ask: 'Votre question', question: 'Votre question', conversation: 'Conversation', copy: 'Copier', copied: 'Copié',
    notCopied: 'Non copié', again: 'Encore', edit: 'Modifier', editing: 'modification : Échap annule', attach: 'Joindre un fichier texte', remove: 'Retirer {0}', tooLarge: '{0} est trop grand : {1} Ko de texte au plus',
    noText: '{0} n’est pas un fichier texte', stopped: 'arrêté', reading: 'lit la question', writing: 'écrit', busy1: 'occupé : 1 question avant la vôtre', busy: 'occupé : {0} questions avant la vôtre',
    limit: 'La réponse s’arrête ici : elle a atteint sa limite ou tournait en rond.', nothing: 'Le modèle n’avait rien à dire.', wrong: 'cela n’a pas marché', failed: 'la page a échoué : {0}', rate: '{0} jetons/s',
    ready: 'prêt', connecting: 'connexion', notConnected: 'pas encore connecté', stillWriting: 'écrit encore : Arrêter ou Échap y met fin', here: 'Rien ne quitte cet appareil.',
    there: 'Vos mots vont à {0} et pas plus loin.', open: ' Le chemin n’est pas chiffré.', back: 'Reprendre la dernière conversation', settings: 'Réglages', conversations: 'Conversations', close: 'Fermer',
    largeText: 'Grand texte', contrast: 'Contraste élevé', motion: 'Moins de mouvement', language: 'Langue', none: 'Aucune autre conversation dans ce navigateur.', forget: 'Oublier {0}', forgetAll: 'Tout oublier',
    touch: 'Touchez pour commencer', only: 'Réponds uniquement d’après le texte ci-dessous. S’il ne le dit pas, réponds que tu ne sais pas.', offline: 'Pas de connexion au service',
    lost: 'La connexion a été perdue', later: '{0} ; nouvel essai dans {1} s', full: 'Occupé : {0}', answered: 'le service a répondu {0}', percent: 'lit la question : {0} %', administration: 'Administration',
    keyTitle: 'Clé d’API', keyLabel: 'Ce service demande une clé d’API. La personne qui l’a installé la connaît.', keyWrong: 'Cette clé est fausse.', keyNeeded: 'ce service demande une clé d’API', keyKeep: 'La garder dans ce navigateur', keyUse: 'Utiliser', heard: 'Au fil de l’écriture',
  },
  es: {
    you: 'Usted', assistant: 'Asistente', new: 'Nuevo', send: 'Enviar', stop: 'Parar', ask: 'Su pregunta', question: 'Su pregunta', conversation: 'Conversación', copy: 'Copiar', copied: 'Copiado',
    notCopied: 'No copiado', again: 'Otra vez', edit: 'Editar', editing: 'editando: Escape lo deja', attach: 'Adjuntar un archivo de texto', remove: 'Quitar {0}', tooLarge: '{0} es demasiado grande: {1} KB de texto como máximo',
    noText: '{0} no es un archivo de texto', stopped: 'parado', reading: 'lee la pregunta', writing: 'escribe', busy1: 'ocupado: 1 pregunta antes de la suya', busy: 'ocupado: {0} preguntas antes de la suya',
    limit: 'La respuesta acaba aquí: llegó a su límite o daba vueltas.', nothing: 'El modelo no tenía nada que decir.', wrong: 'eso no funcionó', failed: 'la página falló: {0}', rate: '{0} tokens/s',
    ready: 'listo', connecting: 'conectando', notConnected: 'aún sin conexión', stillWriting: 'aún escribe: Parar o Escape lo acaba', here: 'Nada sale de este dispositivo.',
    there: 'Sus palabras van a {0} y no más lejos.', open: ' El camino no está cifrado.', back: 'Recuperar la última conversación', settings: 'Ajustes', conversations: 'Conversaciones', close: 'Cerrar',
    largeText: 'Texto grande', contrast: 'Alto contraste', motion: 'Menos movimiento', language: 'Idioma', none: 'No hay otras conversaciones en este navegador.', forget: 'Olvidar {0}', forgetAll: 'Olvidar todo',
    touch: 'Toque para empezar', only: 'Responde solo a partir del texto siguiente. Si no lo dice, responde que no lo sabes.', offline: 'Sin conexión con el servicio',
    lost: 'Se perdió la conexión', later: '{0}; nuevo intento en {1} s', full: 'Ocupado: {0}', answered: 'el servicio respondió {0}', percent: 'lee la pregunta: {0} %', administration: 'Administración',
    keyTitle: 'Clave de API', keyLabel: 'Este servicio pide una clave de API. La tiene quien lo instaló.', keyWrong: 'Esa clave es incorrecta.', keyNeeded: 'este servicio pide una clave de API', keyKeep: 'Guardarla en este navegador', keyUse: 'Usarla', heard: 'Según se escribe',
  },
};

export const languages = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español' };

let chosen = 'en';

// The first of these that there is: `de-AT` is `de`.
export function choose(...wanted) {
  chosen = wanted.map(one => one?.slice(0, 2).toLowerCase()).find(one => one in texts) ?? 'en';
  document.documentElement.lang = chosen;
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', t(node.dataset.label));
  for (const node of document.querySelectorAll('[data-hint]')) node.setAttribute('placeholder', t(node.dataset.hint));
  return chosen;
}

export function t(name, ...values) {
  return texts[chosen][name].replace(/\{(\d)\}/g, (_, i) => values[i]);
}
