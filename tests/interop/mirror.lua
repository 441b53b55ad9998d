-- As postier.testing.mirror says, by imapfilter. The file `accounts` has a line "address|port|user|password" for
-- each of the two sides.
options.timeout = 30
options.info = false
options.hostnames = false
options.create = false
options.subscribe = false
options.expunge = true

local function connect(line)
  local host, port, user, password = line:match('([^|]*)|([^|]*)|([^|]*)|([^|]*)')
  return IMAP { server = host, port = tonumber(port), username = user, password = password, ssl = 'auto' }
end

local sides = {}
for line in io.lines('accounts') do table.insert(sides, connect(line)) end
local here, there = sides[1], sides[2]

-- It has its own idea of how UTF-16 is written beyond the Latin letters, so those names are left to others.
local function is_ours(name) return not name:match('^Away') and not name:match('[\xE4-\xF7]') end

local function names(side, found, prefix)
  local boxes, folders = side:list_all(prefix)
  for _, name in ipairs(boxes) do
    if is_ours(name) then found[name] = true end
  end
  for _, name in ipairs(folders) do
    if name ~= prefix and is_ours(name) then names(side, found, name) end
  end
  return found
end

local function flags_of(mailbox, uid)
  local kept = {}
  for _, flag in ipairs(mailbox[uid]:fetch_flags() or {}) do
    if flag ~= '\\Recent' then table.insert(kept, flag) end
  end
  table.sort(kept)
  return kept
end

local function messages(side, name)
  local found = {}
  for _, pair in ipairs(side[name]:select_all()) do
    local mailbox, uid = table.unpack(pair)
    local text = mailbox[uid]:fetch_message()
    if text then table.insert(found, { uid = uid, text = text, flags = flags_of(mailbox, uid) }) end
  end
  return found
end

local ours, theirs = names(here, {}, ''), names(there, {}, '')
for name in pairs(ours) do if not theirs[name] then there:create_mailbox(name) end end
for name in pairs(theirs) do if not ours[name] then here:create_mailbox(name) end end
local all = {}
for name in pairs(ours) do all[name] = true end
for name in pairs(theirs) do all[name] = true end

local known = {}
for name in pairs(all) do
  for _, message in ipairs(messages(here, name)) do known[message.text] = true end
end
for name in pairs(all) do
  for _, message in ipairs(messages(there, name)) do
    if not known[message.text] and message.text:find('Message-ID: <there-', 1, true) then
      here[name]:append_message(message.text, message.flags)
    end
  end
end

for name in pairs(all) do
  local wanted, found, extra = messages(here, name), {}, {}
  for _, message in ipairs(messages(there, name)) do
    found[message.text] = found[message.text] or {}
    table.insert(found[message.text], message)
  end
  for _, message in ipairs(wanted) do
    local same = found[message.text] and table.remove(found[message.text])
    if not same then
      there[name]:append_message(message.text, message.flags)
    elseif table.concat(same.flags, ' ') ~= table.concat(message.flags, ' ') then
      Set { { there[name], same.uid } }:replace_flags(message.flags)
    end
  end
  for _, rest in pairs(found) do
    for _, message in ipairs(rest) do table.insert(extra, { there[name], message.uid }) end
  end
  Set(extra):delete_messages()
end
